// Requests per second of a trivial handler over mTLS keep-alive: server on one core, client on
// another, one thread each. Prints one JSON list (decisions.md 34) and the CPU time each side
// spent.
//
//   http_bench [connections=64] [seconds=5] [tls|plain] [server_core=0] [client_core=1]

// lint-allow-file(thread): server and client are pinned to cores of their own
// lint-allow-file(clock): CPU time of a thread is what is measured

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/event_loop.h"
#include "http/client.h"
#include "http/server.h"
#include "http/test_pki.h"

namespace adyton::http {
namespace {

struct Settings {
    unsigned connections = 64;
    unsigned seconds = 5;
    bool tls = true;
    int server_core = 0;
    int client_core = 1;
};

struct Totals {
    std::uint64_t requests = 0;
    std::uint64_t failures = 0;
    std::vector<std::uint32_t> latencies_us;
};

void pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(core), &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0) {
        std::fprintf(stderr, "cannot pin to core %d\n", core);
    }
}

double cpu_seconds(pthread_t thread) {
    clockid_t clock{};
    timespec time{};
    pthread_getcpuclockid(thread, &clock);
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

Task<Response> echo_size(Request& request) {
    std::string body = "{\"size\":" + std::to_string(request.body.size()) + "}\n";
    co_return Response::json(Status::Ok, std::move(body));
}

Task<void> keep_asking(
    base::EventLoop& loop, Client& client, std::string url, base::SteadyTime end, Totals& totals,
    unsigned& running) {
    const std::string body(120, 'x');
    for (;;) {
        const base::SteadyTime before = loop.steady_now();
        if (before >= end) break;
        ClientRequest request;
        request.method = "POST";
        request.url = url;
        request.headers.add("Content-Type", "application/json");
        request.body = body;
        const Result<Response> response = co_await client.send(std::move(request));
        ++totals.requests;
        if (!response || response->status != Status::Ok) ++totals.failures;
        const auto took =
            std::chrono::duration_cast<std::chrono::microseconds>(loop.steady_now() - before);
        totals.latencies_us.push_back(static_cast<std::uint32_t>(took.count()));
    }
    if (--running == 0) loop.stop();
}

std::shared_ptr<const TlsContext> server_context(const TestCa& ca) {
    LeafOptions leaf;
    leaf.common_name = "server";
    leaf.dns_names = {"localhost"};
    leaf.ip_addresses = {"127.0.0.1"};
    const PemIdentity identity = ca.issue(leaf);
    ServerTlsOptions options;
    options.certificate_chain_pem = identity.certificate_chain_pem;
    options.private_key_pem = identity.private_key_pem;
    options.client_ca_pem = {ca.certificate_pem()};
    return TlsContext::create_server(options).value();
}

std::shared_ptr<const TlsContext> client_context(const TestCa& ca) {
    LeafOptions leaf;
    leaf.common_name = "client";
    leaf.marble_types = {"bench"};
    const PemIdentity identity = ca.issue(leaf);
    ClientTlsOptions options;
    options.certificate_chain_pem = identity.certificate_chain_pem;
    options.private_key_pem = identity.private_key_pem;
    options.server_ca_pem = {ca.certificate_pem()};
    return TlsContext::create_client(options).value();
}

std::uint32_t percentile(std::vector<std::uint32_t>& sorted, double share) {
    if (sorted.empty()) return 0;
    const auto last = static_cast<double>(sorted.size() - 1);
    return sorted[static_cast<std::size_t>(last * share)];
}

void ask(
    const Settings& settings, base::EventLoop& loop, Client& client, const std::string& url,
    std::chrono::milliseconds duration, Totals& totals) {
    const base::SteadyTime end = loop.steady_now() + duration;
    unsigned running = settings.connections;
    for (unsigned i = 0; i < settings.connections; ++i) {
        base::spawn(loop, keep_asking(loop, client, url, end, totals, running));
    }
    loop.run();
}

int run(const Settings& settings) {
    base::WorkerThreads workers(1);
    const TestCa ca = TestCa::create_root("bench root");
    ServerOptions options;
    if (settings.tls) options.tls = server_context(ca);
    Router router;
    router.add("POST", "/size", echo_size);
    ServerObserver observer;
    base::EventLoop server_loop(workers);
    Server server({&server_loop}, options, router, observer);
    if (const auto started = server.start(); !started) {
        std::fprintf(stderr, "%s\n", started.error().message().c_str());
        return 1;
    }
    const std::string url =
        (settings.tls ? "https://" : "http://") + server.bound_address() + "/size";
    std::thread server_thread([&] {
        pin(settings.server_core);
        server_loop.run();
    });
    pin(settings.client_core);

    Totals warm_up;
    Totals totals;
    double server_cpu = 0;
    double client_cpu = 0;
    double elapsed = 0;
    {
        base::EventLoop loop(workers);
        ClientOptions client_options;
        if (settings.tls) client_options.tls = client_context(ca);
        Client client(loop, client_options);
        ask(settings, loop, client, url, std::chrono::milliseconds(500), warm_up);
        const double server_before = cpu_seconds(server_thread.native_handle());
        const double client_before = cpu_seconds(pthread_self());
        const base::SteadyTime start = loop.steady_now();
        ask(settings, loop, client, url, std::chrono::seconds(settings.seconds), totals);
        elapsed = std::chrono::duration<double>(loop.steady_now() - start).count();
        server_cpu = cpu_seconds(server_thread.native_handle()) - server_before;
        client_cpu = cpu_seconds(pthread_self()) - client_before;
    }
    server_loop.stop();
    server_thread.join();

    std::sort(totals.latencies_us.begin(), totals.latencies_us.end());
    const auto count = static_cast<double>(totals.requests);
    std::printf(
        "[{\"name\":\"http_%s_post\",\"unit\":\"requests\",\"raw_per_s\":null,\"served_per_s\":%."
        "0f,"
        "\"ratio\":null,\"p50_us\":%u,\"p99_us\":%u,\"notes\":\"%u connections, %llu failures, "
        "server core %d: %.2f us CPU a request, client core %d: %.2f us CPU a request\"}]\n",
        settings.tls ? "mtls" : "plain", count / elapsed, percentile(totals.latencies_us, 0.5),
        percentile(totals.latencies_us, 0.99), settings.connections,
        static_cast<unsigned long long>(totals.failures), settings.server_core,
        server_cpu * 1e6 / count, settings.client_core, client_cpu * 1e6 / count);
    return totals.failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace adyton::http

int main(int argc, char** argv) {
    adyton::http::Settings settings;
    if (argc > 1) settings.connections = static_cast<unsigned>(std::atoi(argv[1]));
    if (argc > 2) settings.seconds = static_cast<unsigned>(std::atoi(argv[2]));
    if (argc > 3) settings.tls = std::string(argv[3]) != "plain";
    if (argc > 4) settings.server_core = std::atoi(argv[4]);
    if (argc > 5) settings.client_core = std::atoi(argv[5]);
    return adyton::http::run(settings);
}
