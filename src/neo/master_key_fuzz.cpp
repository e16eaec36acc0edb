#include "base/check.h"
#include "neo/master_key.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const base::ByteView input(data, size);
    if (size > crypto::SecretBuffer::kSizeMax) return 0;
    const auto copy = [&] { return std::move(*crypto::SecretBuffer::copy_of(input)); };
    const auto from_environment = neo::MasterKey::parse_environment_text(copy());
    if (from_environment) CHECK(from_environment->expose().size() >= neo::MasterKey::kSizeMin);
    const auto from_file = neo::MasterKey::parse_file_content(copy());
    if (from_file) CHECK(from_file->expose().size() >= neo::MasterKey::kSizeMin);
    CHECK(neo::MasterKey::from_seed(copy()).has_value() == (size >= neo::MasterKey::kSeedSizeMin));
    const auto hash = neo::parse_master_key_hash(input);
    if (hash)
        CHECK(neo::parse_master_key_hash(base::as_bytes(hash->to_hex()))->bytes == hash->bytes);
    return 0;
}
