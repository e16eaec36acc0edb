#include "service/host.h"

#include <optional>

#include "base/check.h"

namespace adyton::service {

struct ServiceHost::Parts {
    Parts(Runtime& its_runtime, ServiceFrame& its_frame, HostOptions its_options)
        : runtime(its_runtime), frame(its_frame), options(std::move(its_options)) {}

    Result<void> start() {
        CHECK(!server);
        server.emplace(runtime.loops(), options.server, frame.router(), frame.observer());
        TRY_VOID(server->start());
        if (!options.operator_server) return {};
        operator_server.emplace(
            std::vector<base::EventLoop*>{&runtime.main_loop()}, *options.operator_server,
            frame.operator_router(), frame.operator_observer());
        auto started = operator_server->start();
        if (!started) return std::move(started).error().with_context("metrics listener");
        return {};
    }

    Task<void> shut_down() {
        frame.health().set_phase(Phase::Draining);
        frame.logger().info(
            "draining", {{"requests_in_flight", server ? server->in_flight_count() : 0}});
        if (server) {
            Task<void> drained = server->drain(options.drain_timeout);
            co_await std::move(drained);
        }
        for (const auto& work : after_drain) {
            Task<void> task = work();
            co_await std::move(task);
        }
        // Last, so that probes see the draining.
        if (operator_server) {
            Task<void> drained = operator_server->drain(base::Duration::zero());
            co_await std::move(drained);
        }
        // What drain() posted last, to cut connections, runs before the loops stop.
        for (base::EventLoop* loop : runtime.loops()) {
            base::Completion<bool> turn;
            loop->post([state = turn.completer()] { state->set(true); });
            co_await turn;
        }
        frame.logger().info("stopped");
        frame.logger().flush();
        runtime.stop();
    }

    void stop() {
        if (stopping) return;
        stopping = true;
        base::spawn(runtime.main_loop(), shut_down());
    }

    void reload_and_log() {
        const auto done = reload();
        if (done) {
            frame.logger().info("certificates and trust reloaded");
            frame.logger().flush();  // somebody waits for it, and the next line may be far
        } else {
            frame.logger().error(
                "reload failed; the former certificates stay in use",
                {{"cause", done.error().message()}});
        }
    }

    Result<void> reload() {
        if (!options.load_tls || !server || !options.server.tls) {
            return Error::unavailable("nothing to reload: this service has no certificates");
        }
        TRY(auto tls, options.load_tls());
        if (!tls) return Error::invalid_argument("there is no certificate any more");
        server->reload_tls(std::move(tls));
        return {};
    }

    Runtime& runtime;
    ServiceFrame& frame;
    HostOptions options;
    std::optional<http::Server> server;
    std::optional<http::Server> operator_server;
    std::vector<std::function<Task<void>()>> after_drain;
    bool stopping = false;
};

ServiceHost::ServiceHost(Runtime& runtime, ServiceFrame& frame, HostOptions options)
    : parts_(std::make_unique<Parts>(runtime, frame, std::move(options))) {}

ServiceHost::~ServiceHost() = default;

Result<void> ServiceHost::start() {
    return parts_->start();
}

void ServiceHost::set_running() {
    // A stop that came during the start wins.
    if (!parts_->stopping) parts_->frame.health().set_phase(Phase::Running);
}

std::string ServiceHost::bound_address() const {
    return parts_->server ? parts_->server->bound_address() : std::string();
}

std::string ServiceHost::operator_address() const {
    return parts_->operator_server ? parts_->operator_server->bound_address() : std::string();
}

void ServiceHost::on_drained(std::function<Task<void>()> work) {
    parts_->after_drain.push_back(std::move(work));
}

void ServiceHost::run_until_stopped() {
    parts_->runtime.run();
}

Result<void> ServiceHost::run_until_signal() {
    Parts* const parts = parts_.get();
    SignalWatcher::Actions actions;
    actions.stop = [parts] { parts->stop(); };
    actions.stop_now = [parts] {
        parts->frame.logger().warning("stopped at once, by a second signal");
        parts->frame.logger().flush();
        parts->runtime.stop();
    };
    actions.reload = [parts] { parts->reload_and_log(); };
    TRY(const auto watcher, SignalWatcher::create(parts->runtime.main_loop(), std::move(actions)));
    parts->runtime.run();
    return {};
}

void ServiceHost::request_stop() {
    parts_->runtime.main_loop().post([parts = parts_.get()] { parts->stop(); });
}

Result<void> ServiceHost::reload_tls() {
    return parts_->reload();
}

}  // namespace adyton::service
