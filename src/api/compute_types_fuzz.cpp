#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/compute_types.h"
#include "base/check.h"

// Whatever comes, what is accepted keeps its promises.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto request = api::parse_execute_request(text)) {
        CHECK(!request->script.empty());
        CHECK(!request->entry_point.empty());
        CHECK(request->input.is_object());
        CHECK(!request->output_public_key || request->output_public_key->size() == 32);
        CHECK(!request->script_hash || request->script_hash->size() == 32);
    }
    if (const auto request = api::parse_put_secret_request(text)) {
        CHECK(!request->value.empty());
        CHECK(request->apps.size() <= api::kSecretListMax);
    }
    (void)api::parse_create_user_key_request(text);
    return 0;
}
