#pragma once

#include <memory>

#include "apps/product_hosting.h"
#include "attest/key_release.h"
#include "base/result.h"
#include "service/frame.h"

namespace adyton::apps {

// The keystore as the releaser of other services' secrets (docs/attestation.md): GET
// /release/challenge and POST /release, open to everybody, because the evidence is what counts.
// Each release is in the audit log before it is answered.
class KeyReleaseDesk {
public:
    // From release.grants: TYPE = {policy = "FILE", env = {VARIABLE = "file:PATH"}}. Null: nothing
    // is granted. InvalidArgument: a grant; errors of the files. `ground` must outlive it.
    static Result<std::unique_ptr<KeyReleaseDesk>> open(ProductGround& ground);
    ~KeyReleaseDesk();

    void register_routes(service::ServiceFrame& frame);

private:
    KeyReleaseDesk(ProductGround& ground, std::map<std::string, attest::ReleaseGrant> grants);
    Task<Result<http::Response>> challenge();
    Task<Result<http::Response>> release(service::Call call);

    ProductGround& ground_;
    attest::KeyReleaser releaser_;
};

}  // namespace adyton::apps
