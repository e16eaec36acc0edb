#include "base/check.h"
#include "neo/wif.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const base::ByteView input(data, size);
    if (const auto key = neo::decode_wif(input)) {
        CHECK(crypto::constant_time_equal(neo::encode_wif(*key).expose(), input));
    }
    if (size == 32) {
        auto scalar = crypto::SecretBytes<32>::copy_of(std::span<const std::uint8_t, 32>(data, 32));
        if (auto key = crypto::P256PrivateKey::from_scalar(std::move(scalar))) {
            const auto again = neo::decode_wif(neo::encode_wif(*key).expose());
            CHECK(again && crypto::constant_time_equal(again->expose_scalar(), input));
        }
    }
    (void)neo::open_encrypted_wif(crypto::AesKey(), base::as_text(input));
    return 0;
}
