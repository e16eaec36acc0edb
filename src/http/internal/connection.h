#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"
#include "base/time.h"
#include "http/internal/input_buffer.h"
#include "http/internal/request_parser.h"
#include "http/internal/server_core.h"
#include "http/internal/stream.h"
#include "http/message.h"

namespace adyton::http::internal {

// One connection of a server: a coroutine that reads a request, awaits its handler, writes the
// answer, and so on. Everything happens on one loop's thread. Kept alive by that coroutine, which
// is never destroyed while a handler runs; what goes away early is only the socket.
class Connection final : public std::enable_shared_from_this<Connection>,
                         private Stream::IdleListener {
public:
    Connection(std::shared_ptr<Server::Core> core, LoopState& state, int fd, std::string remote);
    ~Connection() override;

    static Task<void> run(std::shared_ptr<Connection> self);

    // Whether check_time() has anything to do.
    bool is_due(base::SteadyTime now);
    void check_time(base::SteadyTime now);
    // Ends an idle connection; others close after their answer.
    void begin_drain();
    // Closes the socket now. A handler goes on, its answer is dropped.
    void cut();

private:
    enum class Phase {
        Handshaking,
        Idle,
        ReadingHead,
        ReadingBody,
        Handling,
        Writing,
        Streaming,
        Lingering,
        Finished
    };
    // What the main loop does next. Reading and writing that need not wait happen in plain
    // functions: a request costs no coroutine frame but its handler's.
    enum class Step { Wait, Answer, Refuse, Continue, End };
    enum class Parse { NeedMore, Complete, Refused };
    class Writer;
    class InFlight;

    Task<bool> open();
    Task<bool> answer_slowly();
    Task<bool> send_stream();
    Task<bool> write_rest(std::string_view bytes);
    Task<void> refuse(ProtocolError error);
    Task<void> linger();
    void finish();

    void start_request();
    Step read_step();
    Step give_up(bool expired);
    Parse parse();
    void stamp_request();
    bool continue_is_due() const;
    void start_handling();
    // Writes the answer as far as it goes at once; false: it needs waiting or a stream.
    bool answer_at_once();
    bool finish_answer(bool written);
    // Writes what the socket takes at once; false: it is broken.
    bool write_some(std::string_view& bytes);
    void compose(const Response& response, bool close);
    bool must_close() const;
    bool bodiless() const;
    Response overload_response() const;
    void time_out_handler();
    // Gives the time, which callers need too.
    base::SteadyTime record(Status status, std::uint64_t body_bytes, bool delivered);
    void set_deadline(base::Duration from_now);
    void clear_deadline() { deadline_ = base::SteadyTime::max(); }
    void on_unexpected_event() override {}

    const std::shared_ptr<Server::Core> core_;
    LoopState& state_;
    const ServerLimits& limits_;
    Stream stream_;
    const std::shared_ptr<PeerInfo> peer_;
    const base::SteadyTime opened_;
    base::SteadyTime deadline_;
    Phase phase_ = Phase::Idle;
    InputBuffer in_;
    RequestParser parser_;
    Request request_;
    Response response_;
    std::string out_;
    std::string_view out_rest_;   // what of out_ is not written yet
    std::string_view body_rest_;  // a large body that goes after it
    std::uint64_t body_size_ = 0;
    ProtocolError refusal_;
    Stream::Outcome wanted_ = Stream::Outcome::WantRead;
    std::uint64_t request_count_ = 0;
    unsigned requests_without_wait_ = 0;
    bool readable_ = false;  // epoll said so, and nothing was read since
    bool continue_sent_ = false;
    bool old_ = false;  // past connection_age_max, as of the last tick
    bool close_after_ = false;
    bool linger_ = false;
    bool abandoned_ = false;  // the answer to come is for nobody
};

}  // namespace adyton::http::internal
