#include "base/check.h"
#include "crypto/secret_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using adyton::crypto::SecretBuffer;
    const adyton::base::ByteView input(data, size);
    const auto text = adyton::base::as_text(input);
    auto copy = SecretBuffer::copy_of(input);
    if (!copy) return 0;
    const auto from_environment =
        adyton::crypto::environment_secret_bytes(std::move(*SecretBuffer::copy_of(input)));
    if (from_environment) CHECK(!from_environment->empty() && from_environment->size() <= size);
    const auto from_file = adyton::crypto::file_secret_bytes(std::move(*copy));
    if (from_file && !text.starts_with("hex:")) CHECK(from_file->size() == size);
    const auto expected = adyton::base::hex_decode(text);
    const auto decoded = adyton::crypto::decode_secret_hex(input);
    CHECK(decoded.has_value() == expected.has_value());
    if (decoded) CHECK(adyton::crypto::constant_time_equal(decoded->expose(), *expected));
    return 0;
}
