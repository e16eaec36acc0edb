#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace adyton::http::internal {

// Reads one HTTP/1.x response in pieces of any size. Interim answers (1xx) are skipped.
class ResponseParser {
public:
    static constexpr std::size_t kChunkHeaderBytesMax = 8 * 1024;
    static constexpr unsigned kInterimMax = 8;

    ResponseParser(std::size_t header_bytes_max, std::size_t body_bytes_max);
    ~ResponseParser();
    ResponseParser(const ResponseParser&) = delete;
    ResponseParser& operator=(const ResponseParser&) = delete;

    enum class AnswerTo { Head, Other };
    void start(Response& response, AnswerTo method);
    // Takes what it can use and says how much. Not after complete() or failure().
    std::size_t feed(std::string_view bytes);
    // The peer ended the connection in order: the end of a body without a length.
    void feed_end();

    bool begun() const { return begun_; }
    bool complete() const;
    bool keep_alive() const;
    // CorruptData: no HTTP. TooLarge: over a limit.
    const Error* failure() const { return failure_ ? &*failure_ : nullptr; }

private:
    class Reader;

    std::size_t feed_once(std::string_view bytes);
    void restart();
    void fail(Error error) { failure_ = std::move(error); }

    const std::size_t header_bytes_max_;
    const std::size_t body_bytes_max_;
    std::unique_ptr<Reader> reader_;
    Response* response_ = nullptr;
    AnswerTo method_ = AnswerTo::Other;
    std::optional<Error> failure_;
    std::size_t header_bytes_ = 0;
    unsigned interim_count_ = 0;
    bool begun_ = false;
};

}  // namespace adyton::http::internal
