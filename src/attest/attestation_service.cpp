#include "attest/attestation_service.h"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "attest/internal/certificate.h"
#include "base/check.h"

namespace adyton::attest {
namespace {

using base::Json;

// Tokens that come back at a steady rate.
struct Bucket {
    double tokens = 0;
    base::SteadyTime at{};

    void refill(base::SteadyTime now, base::Duration period, double burst) {
        const double passed = std::chrono::duration<double>(now - at).count();
        const double each = std::chrono::duration<double>(period).count();
        tokens = std::min(burst, tokens + std::max(passed, 0.0) / each);
        at = now;
    }
};

// "[::1]:40312" is "[::1]", "127.0.0.1:40312" is "127.0.0.1": ports are free to choose.
std::string address_of(std::string_view peer) {
    return std::string(peer.substr(0, peer.rfind(':')));
}

class RateLimit {
public:
    RateLimit(const AttestationLimits& limits, base::SteadyTime now)
        : limits_(limits), all_{limits.burst, now} {}

    bool take(std::string_view peer, base::SteadyTime now) {
        const std::lock_guard lock(mutex_);
        all_.refill(now, limits_.period, limits_.burst);
        Bucket& own = bucket_of(address_of(peer), now);
        own.refill(now, limits_.period_per_peer, limits_.burst_per_peer);
        if (own.tokens < 1 || all_.tokens < 1) return false;
        own.tokens -= 1;
        all_.tokens -= 1;
        return true;
    }

private:
    // Whoever has all tokens again need not be remembered.
    Bucket& bucket_of(std::string address, base::SteadyTime now) {
        const auto found = peers_.find(address);
        if (found != peers_.end()) return found->second;
        if (peers_.size() >= limits_.peers_max) {
            for (auto at = peers_.begin(); at != peers_.end();) {
                at->second.refill(now, limits_.period_per_peer, limits_.burst_per_peer);
                const bool full = at->second.tokens >= limits_.burst_per_peer;
                at = full ? peers_.erase(at) : std::next(at);
            }
        }
        // Addresses beyond the memory share one bucket.
        if (peers_.size() >= limits_.peers_max) address.clear();
        return peers_.try_emplace(std::move(address), Bucket{limits_.burst_per_peer, now})
            .first->second;
    }

    const AttestationLimits limits_;
    std::mutex mutex_;
    Bucket all_;
    std::map<std::string, Bucket> peers_;
};

std::uint64_t unix_seconds(base::Timestamp at) {
    const auto since = std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch());
    return static_cast<std::uint64_t>(std::max<std::int64_t>(since.count(), 0));
}

}  // namespace

struct AttestationService::State {
    State(
        const base::Clock& its_clock, std::unique_ptr<EvidenceProvider> its_provider,
        AttestationClaims its_claims, const AttestationLimits& its_limits)
        : clock(its_clock),
          provider(std::move(its_provider)),
          limits(its_limits),
          rate(its_limits, its_clock.steady_now()),
          claims(std::move(its_claims)) {}

    template <typename Change>
    void change(Change&& apply) {
        const std::lock_guard lock(mutex);
        apply(claims);
        cache.reset();
        ++generation;
    }

    ServedPtr find_cached() {
        const std::lock_guard lock(mutex);
        if (!cache || clock.steady_now() - cached_at >= limits.refresh) return nullptr;
        return cache;
    }

    // Blocks. Who waited for the platform while another refreshed takes what that one got.
    Result<ServedPtr> refresh() {
        const std::lock_guard one(platform_mutex);
        if (ServedPtr known = find_cached()) return known;
        std::uint64_t started = 0;
        TRY(ServedPtr made, collect({}, started));
        const std::lock_guard lock(mutex);
        if (started == generation) {
            cache = made;
            cached_at = clock.steady_now();
        }
        return made;
    }

    Result<ServedPtr> collect(base::Bytes nonce, std::uint64_t& started) {
        auto out = std::make_shared<Served>();
        {
            const std::lock_guard lock(mutex);
            out->bundle.claims = claims;
            started = generation;
        }
        out->bundle.claims.nonce = std::move(nonce);
        out->bundle.claims.issued_at = unix_seconds(clock.now());
        auto evidence = provider->collect(out->bundle.claims.report_data());
        if (!evidence) return std::move(evidence).error().with_context("attestation");
        out->bundle.evidence = *std::move(evidence);
        out->json = out->bundle.to_json().dump();
        return ServedPtr(std::move(out));
    }

    Result<ServedPtr> collect_for(base::Bytes nonce) {
        const std::lock_guard one(platform_mutex);
        std::uint64_t ignored = 0;
        return collect(std::move(nonce), ignored);
    }

    bool enter() {
        const std::lock_guard lock(mutex);
        if (waiting >= limits.waiting_max) return false;
        ++waiting;
        return true;
    }
    void leave() {
        const std::lock_guard lock(mutex);
        --waiting;
    }

    const base::Clock& clock;
    const std::unique_ptr<EvidenceProvider> provider;
    const AttestationLimits limits;
    RateLimit rate;
    std::mutex platform_mutex;  // held through a call of the platform; taken before `mutex`
    std::mutex mutex;           // of all below
    AttestationClaims claims;
    ServedPtr cache;
    base::SteadyTime cached_at{};
    std::uint64_t generation = 0;
    std::size_t waiting = 0;
};

namespace {

// The platform may block for a minute; simulation answers at once and needs no other thread.
template <typename StatePtr, typename Work>
Task<Result<AttestationService::ServedPtr>> ask_platform(StatePtr state, Work work) {
    if (!state->enter()) {
        co_return Error::resource_exhausted(
            "too many wait for this platform's evidence", "attestation_busy");
    }
    auto answer = Result<AttestationService::ServedPtr>(nullptr);
    if (state->provider->mode() == PlatformMode::Simulation) {
        answer = work();
    } else {
        auto asking = base::run_blocking(*base::Executor::current(), std::move(work));
        answer = co_await std::move(asking);
    }
    state->leave();
    co_return answer;
}

}  // namespace

AttestationService::AttestationService(
    const base::Clock& clock, std::unique_ptr<EvidenceProvider> provider, AttestationClaims claims,
    AttestationLimits limits)
    : state_(std::make_shared<State>(clock, std::move(provider), std::move(claims), limits)) {
    CHECK(state_->provider != nullptr);
}

AttestationService::~AttestationService() = default;

void AttestationService::set_service(std::string service_id) {
    state_->change([&](AttestationClaims& claims) { claims.service_id = std::move(service_id); });
}

bool AttestationService::has_service() const {
    const std::lock_guard lock(state_->mutex);
    return !state_->claims.service_id.empty();
}

void AttestationService::set_key(
    std::string purpose, base::Bytes public_key, std::string algorithm) {
    state_->change([&](AttestationClaims& claims) {
        claims.purpose = std::move(purpose);
        claims.public_key = std::move(public_key);
        claims.algorithm = std::move(algorithm);
    });
}

void AttestationService::add_signing_key(
    const std::string& name, const std::string& public_key_hex) {
    state_->change([&](AttestationClaims& claims) { claims.signing_keys[name] = public_key_hex; });
}

void AttestationService::set_policy_digest(std::optional<crypto::Sha256Digest> digest) {
    state_->change([&](AttestationClaims& claims) { claims.policy_digest = digest; });
}

void AttestationService::set_tls_spki(std::optional<crypto::Sha256Digest> spki) {
    state_->change([&](AttestationClaims& claims) { claims.tls_spki = spki; });
}

Task<Result<AttestationService::ServedPtr>> AttestationService::cached() {
    const std::shared_ptr<State> state = state_;
    if (ServedPtr known = state->find_cached()) co_return known;
    auto asking = ask_platform(state, [state] { return state->refresh(); });
    co_return co_await std::move(asking);
}

Task<Result<AttestationService::ServedPtr>> AttestationService::fresh(
    base::Bytes nonce, std::string_view peer) {
    const std::shared_ptr<State> state = state_;
    if (nonce.size() > AttestationClaims::kNonceBytesMax) {
        co_return Error::invalid_argument("nonce is longer than 64 bytes");
    }
    // Before the platform is bothered: one failed call too many can cost a guest its evidence.
    if (!state->rate.take(peer, state->clock.steady_now())) {
        co_return Error::resource_exhausted(
            "evidence for a nonce is asked for too often", "attestation_rate");
    }
    auto work = [state, wanted = std::move(nonce)] { return state->collect_for(wanted); };
    auto asking = ask_platform(state, std::move(work));
    co_return co_await std::move(asking);
}

PlatformMode AttestationService::mode() const {
    return state_->provider->mode();
}

AttestationClaims AttestationService::claims() const {
    const std::lock_guard lock(state_->mutex);
    return state_->claims;
}

Json AttestationService::info() const {
    const AttestationClaims known = claims();
    Json out = Json::object();
    out.set("mode", Json::string(std::string(to_string(mode()))));
    out.set("simulated", Json::boolean(simulated()));
    out.set("build_id", Json::string(known.build_id));
    out.set("version", Json::string(known.version));
    Json keys = Json::object();
    for (const auto& [name, hex] : known.signing_keys) keys.set(name, Json::string(hex));
    out.set("signing_keys", std::move(keys));
    return out;
}

std::string running_build_id() {
    std::string out;
    const auto look = [](dl_phdr_info* info, std::size_t, void* found) -> int {
        for (int i = 0; i < info->dlpi_phnum; ++i) {
            const ElfW(Phdr)& header = info->dlpi_phdr[i];
            if (header.p_type != PT_NOTE) continue;
            // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses as numbers
            const auto* at =
                reinterpret_cast<const std::uint8_t*>(info->dlpi_addr + header.p_vaddr);
            std::size_t left = header.p_memsz;
            while (left >= sizeof(ElfW(Nhdr))) {
                ElfW(Nhdr) note{};
                std::memcpy(&note, at, sizeof(note));
                const auto padded = [](std::size_t size) { return (size + 3) & ~std::size_t{3}; };
                const std::size_t name_at = sizeof(note);
                const std::size_t data_at = name_at + padded(note.n_namesz);
                const std::size_t size = data_at + padded(note.n_descsz);
                if (size > left) break;
                if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
                    std::memcmp(at + name_at, "GNU", 4) == 0) {
                    *static_cast<std::string*>(found) =
                        base::hex_encode({at + data_at, note.n_descsz});
                }
                at += size;
                left -= size;
            }
        }
        return 1;  // the first entry is the program itself
    };
    ::dl_iterate_phdr(look, &out);
    return out;
}

Result<crypto::Sha256Digest> leaf_spki(std::string_view certificate_chain_pem) {
    TRY(const auto certificates, internal::read_pem(certificate_chain_pem));
    TRY(const auto names, internal::read_certificate(certificates.front()));
    return names.spki;
}

}  // namespace adyton::attest
