#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/task.h"
#include "http/server.h"
#include "http/tls.h"
#include "service/frame.h"

namespace adyton::service {

// The threads of a process: event loops, the first of them on the thread that calls run(), and
// workers for what blocks. Loops are created at once, their threads by run().
class Runtime {
public:
    // 0: one for each core this process may use.
    Runtime(unsigned loops, unsigned workers);
    ~Runtime();
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;

    base::EventLoop& main_loop() { return *loops_.front(); }
    std::vector<base::EventLoop*> loops();
    base::WorkerThreads& workers() { return *workers_; }

    // Runs all loops until stop(). The other threads are joined when it returns.
    void run();
    // Thread safe.
    void stop();

private:
    std::unique_ptr<base::WorkerThreads> workers_;
    std::vector<std::unique_ptr<base::EventLoop>> loops_;
};

// Signals as work on a loop, through a pipe (Gramine has no signalfd). One object at a time in a
// process; create it before threads start. SIGPIPE is ignored from then on.
class SignalWatcher {
public:
    struct Actions {
        std::function<void()> stop;      // SIGTERM, SIGINT
        std::function<void()> stop_now;  // the second of these
        std::function<void()> reload;    // SIGHUP
    };
    // Internal: no pipe.
    static Result<std::unique_ptr<SignalWatcher>> create(base::EventLoop& loop, Actions actions);
    ~SignalWatcher();
    SignalWatcher(const SignalWatcher&) = delete;
    SignalWatcher& operator=(const SignalWatcher&) = delete;

private:
    class Pipe;
    explicit SignalWatcher(std::unique_ptr<Pipe> pipe);
    std::unique_ptr<Pipe> pipe_;
};

struct HostOptions {
    http::ServerOptions server;  // tls null: plain HTTP
    // Reads certificates, key and roots anew, for SIGHUP. Empty: nothing to reload.
    std::function<Result<std::shared_ptr<const http::TlsContext>>()> load_tls;
    std::optional<http::ServerOptions> operator_server;
    base::Duration drain_timeout = std::chrono::seconds(30);
};

// A frame on the network: the service's listener and the operator's, start, drain and reload.
//
//   ServiceHost host(runtime, frame, options);
//   host.on_drained([&] { ... });       // stop workers, checkpoint, close the database
//   TRY_VOID(host.start());
//   TRY_VOID(host.run_until_signal());  // SIGTERM or SIGINT: drain, then return
class ServiceHost {
public:
    // Both must outlive the host.
    ServiceHost(Runtime& runtime, ServiceFrame& frame, HostOptions options);
    ~ServiceHost();
    ServiceHost(const ServiceHost&) = delete;
    ServiceHost& operator=(const ServiceHost&) = delete;

    // Binds and accepts; the phase stays Starting until set_running(). Call before the loops run,
    // or on the main loop. Errors as http::Server::start().
    Result<void> start();
    // From now on /ready may say yes. On the main loop, or before the loops run.
    void set_running();
    // "127.0.0.1:8085"; after start(). The operator's is empty without such a listener.
    std::string bound_address() const;
    std::string operator_address() const;

    // Runs on the main loop once no request is in flight any more, before run_until_signal()
    // returns. Several run in the order they were given.
    void on_drained(std::function<Task<void>()> work);

    // Runs the process: until SIGTERM or SIGINT, or request_stop(), then drains.
    Result<void> run_until_signal();
    // The same without looking at signals, for a second host in one process: until request_stop().
    void run_until_stopped();
    // What SIGTERM does. Thread safe.
    void request_stop();
    // What SIGHUP does: new connections use what load_tls gives; on failure the old stays. Main
    // loop only.
    Result<void> reload_tls();

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace adyton::service
