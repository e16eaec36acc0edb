#include <array>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/task.h"
#include "http/url.h"
#include "localchain/near_node.h"
#include "localchain/neo_rpc.h"

namespace adyton::localchain {

// A request on its way to a node.
struct InFlight {
    std::function<void(std::string_view body)> answer;
    http::RouterTransport* transport = nullptr;
    http::ClientRequest request;
};

struct NodeTransport::Core {
    struct Entry {
        std::function<bool()> down;
        std::function<void(std::string_view body)> answer;
        std::unique_ptr<http::RouterTransport> transport;
    };

    template <typename Node>
    void add(std::string authority, Node& node) {
        auto transport =
            std::make_unique<http::RouterTransport>(node.router(), http::PeerInfo{}, random);
        Entry entry{
            [&node] { return node.down(); }, [&node](std::string_view body) { node.answer(body); },
            std::move(transport)};
        const bool fresh = nodes.emplace(std::move(authority), std::move(entry)).second;
        CHECK(fresh);
    }

    Core(base::Executor& its_executor, base::RandomSource& its_random)
        : executor(its_executor), random(its_random) {}

    std::uint64_t draw() {
        std::array<std::uint8_t, 8> bytes{};
        random.fill(bytes);
        std::uint64_t number = 0;
        for (const std::uint8_t byte : bytes) number = number << 8 | byte;
        return number;
    }
    base::Duration draw_latency() {
        if (latency_max <= base::Duration::zero()) return base::Duration::zero();
        return base::Duration(
            static_cast<std::int64_t>(draw() % static_cast<std::uint64_t>(latency_max.count())));
    }

    base::Executor& executor;
    base::RandomSource& random;
    base::Duration latency_max = base::Duration::zero();
    std::map<std::string, Entry, std::less<>> nodes;
    std::vector<std::weak_ptr<InFlight>> in_flight;  // each owned by the coroutine that carries it
};

namespace {

using Answer = Result<http::Response>;
using Waiting = base::Completion<Answer>::State;

// The request goes on though nobody may wait for it any more: a network does not take bytes back.
Task<void> carry(
    std::shared_ptr<NodeTransport::Core> core, std::shared_ptr<InFlight> flight,
    std::shared_ptr<Waiting> waiting, std::shared_ptr<bool> answered) {
    const base::Duration there = core->draw_latency();
    const base::Duration back = core->draw_latency();
    if (there > base::Duration::zero()) co_await base::sleep_for(core->executor, there);
    std::erase_if(core->in_flight, [&flight](const std::weak_ptr<InFlight>& other) {
        return other.expired() || other.lock() == flight;
    });
    Task<Answer> task = flight->transport->send(std::move(flight->request));
    Answer answer = co_await std::move(task);
    if (back > base::Duration::zero()) co_await base::sleep_for(core->executor, back);
    if (*answered) co_return;
    *answered = true;
    waiting->set(std::move(answer));
}

}  // namespace

NodeTransport::NodeTransport(base::Executor& executor, base::RandomSource& random)
    : core_(std::make_shared<Core>(executor, random)) {}
NodeTransport::~NodeTransport() = default;

void NodeTransport::add(std::string authority, NeoNode& node) {
    core_->add(std::move(authority), node);
}
void NodeTransport::add(std::string authority, NearNode& node) {
    core_->add(std::move(authority), node);
}

void NodeTransport::set_latency_max(base::Duration latency) {
    core_->latency_max = latency;
}

std::size_t NodeTransport::deliver_in_flight(unsigned per_mille) {
    std::size_t arrived = 0;
    const auto in_flight = std::exchange(core_->in_flight, {});
    for (const std::weak_ptr<InFlight>& weak : in_flight) {
        const auto flight = weak.lock();
        if (flight == nullptr || core_->draw() % 1000 >= per_mille) continue;
        flight->answer(flight->request.body);
        ++arrived;
    }
    return arrived;
}

Task<Answer> NodeTransport::send(http::ClientRequest request) {
    CO_TRY(const http::Url url, http::Url::parse(request.url));
    const auto found = core_->nodes.find(url.authority());
    if (found == core_->nodes.end()) co_return Error::unavailable("no such host");
    if (found->second.down()) co_return Error::unavailable("connection refused");
    const base::Duration timeout = request.timeout;
    auto flight = std::make_shared<InFlight>();  // shared so that in_flight can point to it weakly
    flight->answer = found->second.answer;
    flight->transport = found->second.transport.get();
    flight->request = std::move(request);
    core_->in_flight.push_back(flight);
    base::Completion<Answer> completion;
    const auto answered = std::make_shared<bool>(false);  // shared by the answer and its timeout
    base::spawn(core_->executor, carry(core_, std::move(flight), completion.completer(), answered));
    base::Executor::TimerId timer = 0;
    if (timeout > base::Duration::zero()) {
        timer = core_->executor.post_after(timeout, [answered, waiting = completion.completer()] {
            if (*answered) return;
            *answered = true;
            waiting->set(Error::outcome_unknown("no answer in time"));
        });
    }
    Answer answer = co_await completion;
    if (timeout > base::Duration::zero()) core_->executor.cancel(timer);
    co_return answer;
}

}  // namespace adyton::localchain
