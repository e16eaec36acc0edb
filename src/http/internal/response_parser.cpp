#include "http/internal/response_parser.h"

#include <algorithm>
// See request_parser.cpp.
#define BOOST_DISABLE_ASSERTS
#include <boost/beast/http/basic_parser.hpp>

namespace adyton::http::internal {
namespace {

namespace beast = boost::beast;
using BeastError = beast::http::error;
using BeastView = beast::string_view;

constexpr std::size_t kBodyReserveMax = 64 * 1024;
constexpr std::size_t kFieldCountMax = 256;

std::string_view view(BeastView text) {
    return {text.data(), text.size()};
}

}  // namespace

class ResponseParser::Reader final : public beast::http::basic_parser<false> {
public:
    Reader(Response& response, std::size_t header_max, std::size_t body_max, AnswerTo method)
        : response_(response) {
        header_limit(static_cast<std::uint32_t>(header_max + 16));
        body_limit(static_cast<std::uint64_t>(body_max));
        skip(method == AnswerTo::Head);
    }
    std::size_t put_bytes(std::string_view bytes, beast::error_code& ec) {
        return put({bytes.data(), bytes.size()}, ec);
    }

    int status_number_ = 0;
    bool refused_ = false;

private:
    void refuse(beast::error_code& ec) {
        refused_ = true;
        ec = BeastError::bad_field;
    }
    void on_request_impl(
        beast::http::verb, BeastView, BeastView, int, beast::error_code&) override {}
    void on_response_impl(int status, BeastView, int, beast::error_code& ec) override {
        status_number_ = status;
        response_.status = static_cast<Status>(status);
        if (status < 100 || status > 599 || status == 101) refuse(ec);
    }
    void on_field_impl(
        beast::http::field field, BeastView name, BeastView value, beast::error_code& ec) override {
        if (++field_count_ > kFieldCountMax) return refuse(ec);
        if (in_trailer_) return;
        if (field == beast::http::field::content_length && ++length_count_ > 1) return refuse(ec);
        if (field == beast::http::field::transfer_encoding &&
            !equal_ignoring_case(view(value), "chunked")) {
            return refuse(ec);
        }
        response_.headers.add(view(name), view(value));
    }
    void on_header_impl(beast::error_code&) override { in_trailer_ = true; }
    void on_body_init_impl(
        const boost::optional<std::uint64_t>& length, beast::error_code&) override {
        if (length) {
            response_.body.reserve(std::min(static_cast<std::size_t>(*length), kBodyReserveMax));
        }
    }
    std::size_t on_body_impl(BeastView body, beast::error_code&) override {
        response_.body.append(body.data(), body.size());
        return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, BeastView, beast::error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, beast::error_code&) override {
        response_.body.append(body.data(), body.size());
        return body.size();
    }
    void on_finish_impl(beast::error_code&) override {}

    Response& response_;
    std::size_t field_count_ = 0;
    std::size_t length_count_ = 0;
    bool in_trailer_ = false;
};

ResponseParser::ResponseParser(std::size_t header_bytes_max, std::size_t body_bytes_max)
    : header_bytes_max_(header_bytes_max), body_bytes_max_(body_bytes_max) {}
ResponseParser::~ResponseParser() = default;

void ResponseParser::start(Response& response, AnswerTo method) {
    response_ = &response;
    method_ = method;
    failure_.reset();
    interim_count_ = 0;
    begun_ = false;
    restart();
}

void ResponseParser::restart() {
    *response_ = Response();
    header_bytes_ = 0;
    reader_ = std::make_unique<Reader>(*response_, header_bytes_max_, body_bytes_max_, method_);
}

bool ResponseParser::complete() const {
    return !failure_ && reader_->is_header_done() && reader_->is_done();
}

bool ResponseParser::keep_alive() const {
    return complete() && reader_->keep_alive();
}

std::size_t ResponseParser::feed(std::string_view bytes) {
    CHECK(response_ != nullptr && !failure_ && !complete());
    std::size_t used = 0;
    while (used < bytes.size() && !failure_ && !complete()) {
        begun_ = true;
        const std::size_t step = feed_once(bytes.substr(used));
        used += step;
        if (!failure_ && complete() && reader_->status_number_ < 200) {
            if (++interim_count_ > kInterimMax) {
                fail(Error::corrupt_data("too many interim answers"));
                return used;
            }
            restart();
        } else if (step == 0) {
            break;
        }
    }
    return used;
}

std::size_t ResponseParser::feed_once(std::string_view bytes) {
    beast::error_code ec;
    const bool had_header = reader_->is_header_done();
    reader_->eager(had_header);
    const std::size_t used = reader_->put_bytes(bytes, ec);
    const std::size_t pending = bytes.size() - used;
    if (!had_header) header_bytes_ += used;
    const bool header_open = !reader_->is_header_done();
    if (header_bytes_ + (header_open ? pending : 0) > header_bytes_max_ ||
        ec == BeastError::header_limit) {
        fail(Error::too_large("the answer's headers are too large"));
    } else if (ec == BeastError::body_limit) {
        fail(Error::too_large("the answer is too large"));
    } else if (ec && ec != BeastError::need_more) {
        fail(Error::corrupt_data("the answer is malformed"));
    } else if (ec && !header_open && pending > kChunkHeaderBytesMax) {
        fail(Error::corrupt_data("the answer is malformed"));
    }
    return used;
}

void ResponseParser::feed_end() {
    if (failure_ || complete() || !begun_) return;
    beast::error_code ec;
    if (reader_->got_some()) reader_->put_eof(ec);
    if (ec || !complete()) fail(Error::corrupt_data("the answer is cut short"));
}

}  // namespace adyton::http::internal
