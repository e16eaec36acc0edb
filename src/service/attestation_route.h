#pragma once

#include "attest/attestation_service.h"
#include "base/result.h"
#include "base/task.h"
#include "service/frame.h"

namespace adyton::service {

// What a caller asks of GET /master-key and GET /attestation: the cached bundle, or with ?nonce=
// (base64url without padding, 1 to 64 bytes) one that binds it. InvalidArgument: the nonce;
// otherwise the errors of attest::AttestationService, 429 with Retry-After.
Task<Result<attest::AttestationService::ServedPtr>> asked_bundle(
    Call call, attest::AttestationService& attestation);

// "public, max-age=60" without a nonce, "no-store" with one.
void set_attestation_caching(const Call& call, http::Response& response);

// GET /attestation, open to everybody: the bundle, for `adyton verify attestation`. Before the
// frame is used; `attestation` must outlive it.
void add_attestation_route(ServiceFrame& frame, attest::AttestationService& attestation);

}  // namespace adyton::service
