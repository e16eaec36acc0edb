#include <any>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "attest/peer_identity.h"

namespace adyton::attest {
namespace {

using CallerPtr = std::shared_ptr<const Caller>;

// Kept in PeerInfo::identity_cache. What the certificate says cannot change while the connection
// lives, the refusal included.
struct ConnectionIdentity {
    std::optional<Result<CallerPtr>> from_certificate;
    CallerPtr latest;
};

ConnectionIdentity& identity_of(http::PeerInfo& peer) {
    if (!peer.identity_cache.has_value()) {
        // std::any wants a copyable type, hence the pointer
        peer.identity_cache = std::make_shared<ConnectionIdentity>();
    }
    auto* const found = std::any_cast<std::shared_ptr<ConnectionIdentity>>(&peer.identity_cache);
    CHECK(found != nullptr);
    return **found;
}

// Nothing, the one value, or the refusal of two.
Result<std::string_view> service_header(const http::Request& request) {
    constexpr std::string_view kName = "X-Service-ID";
    std::string_view value;
    bool seen = false;
    for (std::size_t i = 0; i < request.headers.size(); ++i) {
        const auto field = request.headers.at(i);
        if (field.name.size() != kName.size() || !http::equal_ignoring_case(field.name, kName)) {
            continue;
        }
        if (seen) {
            return Error::invalid_argument("X-Service-ID stands twice", "duplicate_header");
        }
        seen = true;
        value = field.value;
    }
    return value;
}

// Remote addresses are "IP:PORT" or "[IP]:PORT"; a call within the process has none.
bool is_loopback_peer(std::string_view remote) {
    return remote.empty() || remote.starts_with("127.") || remote.starts_with("[::1]:") ||
           remote.starts_with("[::ffff:127.");
}

class Resolver final : public IdentityResolver {
public:
    explicit Resolver(CertificateIdentifier identifier)
        : mode_(identifier.options().mode),
          identifier_(std::make_shared<const CertificateIdentifier>(std::move(identifier))) {}

    IdentityMode mode() const override { return mode_; }

    void reload(CertificateIdentifier identifier) override {
        CHECK(identifier.options().mode == mode_);
        auto next = std::make_shared<const CertificateIdentifier>(std::move(identifier));
        const std::lock_guard lock(mutex_);
        identifier_ = std::move(next);
    }

    Result<CallerPtr> resolve(const http::Request& request) const override {
        ConnectionIdentity& identity = identity_of(*request.peer);
        auto caller = resolve(request, identity);
        if (caller) {
            identity.latest = *caller;
        } else {
            const bool certified = identity.from_certificate && *identity.from_certificate;
            identity.latest = certified ? **identity.from_certificate : nullptr;
        }
        return caller;
    }

private:
    Result<CallerPtr> resolve(const http::Request& request, ConnectionIdentity& identity) const {
        TRY(const std::string_view header, service_header(request));
        if (!request.peer->verified_chain_der.empty()) {
            if (!identity.from_certificate) {
                identity.from_certificate = from_certificate(*request.peer);
            }
            TRY(auto caller, Result<CallerPtr>(*identity.from_certificate));
            TRY_VOID(check_claimed(*caller, header));
            return caller;
        }
        if (mode_ == IdentityMode::Strict) {
            return Error::unauthenticated("no verified client certificate", "no_certificate");
        }
        return from_header(*request.peer, header, identity);
    }

    Result<CallerPtr> from_certificate(const http::PeerInfo& peer) const {
        TRY(auto caller, current()->identify(
                             {base::as_bytes(peer.verified_chain_der.front()),
                              base::as_bytes(peer.verified_chain_der.back())}));
        return std::make_shared<const Caller>(std::move(caller));
    }

    static Result<CallerPtr> from_header(
        const http::PeerInfo& peer, std::string_view header, const ConnectionIdentity& identity) {
        if (header.empty()) {
            return Error::unauthenticated("no X-Service-ID header", "no_service_header");
        }
        if (!is_loopback_peer(peer.remote_address)) {
            return Error::permission_denied(
                "X-Service-ID is believed from this machine only", "not_loopback");
        }
        if (identity.latest && identity.latest->service_id.text() == header) {
            return identity.latest;
        }
        auto id = ServiceId::parse(header);
        if (!id) {
            return Error::invalid_argument(
                "X-Service-ID: " + id.error().message(), "malformed_service_id");
        }
        return std::make_shared<const Caller>(
            Caller{std::move(id).value(), IdentitySource::DevelopmentHeader, {}});
    }

    // Once a connection, so a lock is cheap enough.
    std::shared_ptr<const CertificateIdentifier> current() const {
        const std::lock_guard lock(mutex_);
        return identifier_;
    }

    const IdentityMode mode_;
    mutable std::mutex mutex_;
    std::shared_ptr<const CertificateIdentifier> identifier_;  // kept by resolutions under way
};

}  // namespace

const Caller* latest_caller(const http::PeerInfo& peer) {
    const auto* const found =
        std::any_cast<std::shared_ptr<ConnectionIdentity>>(&peer.identity_cache);
    return found == nullptr ? nullptr : (*found)->latest.get();
}

std::unique_ptr<IdentityResolver> create_identity_resolver(CertificateIdentifier identifier) {
    return std::make_unique<Resolver>(std::move(identifier));
}

}  // namespace adyton::attest
