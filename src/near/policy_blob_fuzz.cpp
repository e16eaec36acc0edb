#include "base/check.h"
#include "near/policy_blob.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    static const near::KeyDeriver deriver{crypto::SecretBytes<32>()};
    static const auto key = near::policy_key(deriver, "wallet");
    static base::SeededRandom random(1);
    static_cast<void>(near::open_policy(key, {data, size}));
    if (size + near::kPolicyBlobOverheadBytes <= near::kPolicyBlobBytesMax) {
        const auto opened =
            near::open_policy(key, near::seal_policy(key.public_key(), {data, size}, random));
        CHECK(opened && base::as_text(*opened) == base::as_text({data, size}));
    }
    return 0;
}
