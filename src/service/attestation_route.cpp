#include "service/attestation_route.h"

#include <utility>

namespace adyton::service {
namespace {

using attest::AttestationService;

constexpr std::size_t kNonceTextMax = 86;  // 64 bytes in base64url

Task<Result<http::Response>> answer_bundle(Call call, AttestationService& attestation) {
    auto asking = asked_bundle(call, attestation);
    CO_TRY(const auto served, co_await std::move(asking));
    auto response = json_answer(served->json);
    set_attestation_caching(call, response);
    co_return response;
}

}  // namespace

Task<Result<AttestationService::ServedPtr>> asked_bundle(
    Call call, AttestationService& attestation) {
    CO_TRY(const auto text, call.request.query.find_single("nonce"));
    if (!text) {
        auto asking = attestation.cached();
        co_return co_await std::move(asking);
    }
    const auto malformed = [] {
        return Error::invalid_argument("nonce: base64url without padding, 1 to 64 bytes");
    };
    if (text->empty() || text->size() > kNonceTextMax) co_return malformed();
    auto nonce = attest::base64url_decode(*text);
    // One spelling only: what the claims will show is what the caller sent.
    if (!nonce || attest::base64url_encode(*nonce) != *text) co_return malformed();
    auto asking = attestation.fresh(*std::move(nonce), call.request.peer->remote_address);
    auto answer = co_await std::move(asking);
    if (!answer && answer.error().reason() == "attestation_rate") {
        call.hints.retry_after = std::chrono::seconds(10);
    }
    co_return answer;
}

void set_attestation_caching(const Call& call, http::Response& response) {
    const bool nonce = call.request.query.find("nonce").has_value();
    response.headers.add("Cache-Control", nonce ? "no-store" : "public, max-age=60");
}

void add_attestation_route(ServiceFrame& frame, AttestationService& attestation) {
    frame.add("GET", "/attestation", Access::Public, [&attestation](Call call) {
        return answer_bundle(call, attestation);
    });
}

}  // namespace adyton::service
