#include <cstddef>
#include <cstdint>

#include "api/pool_types.h"
#include "base/check.h"

// Whatever a request parser accepts must come back the same through the writer.
namespace {

using namespace adyton;

template <typename T>
void check_round_trip(const T& message, Result<T> (*parse)(const base::Json&)) {
    const std::string text = api::to_json_text(message);
    const auto json = base::Json::parse(text);
    CHECK(json.has_value());
    const auto again = parse(*json);
    CHECK(again.has_value());
    CHECK(api::to_json_text(*again) == text);
}

template <typename T>
void try_request(const base::Json& json, Result<T> (*parse)(const base::Json&)) {
    if (const auto message = parse(json)) check_round_trip(*message, parse);
}

// What the quick reader takes, the full parser takes, and they agree.
template <typename T, typename Parse>
void check_plain(const std::optional<T>& plain, const Result<base::Json>& json, Parse parse) {
    if (!plain) return;
    CHECK(json.has_value());
    const Result<T> full = parse(*json);
    CHECK(full.has_value());
    CHECK(api::to_json_text(*plain) == api::to_json_text(*full));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    static_cast<void>(api::parse_accounts_query({}, text, text));
    static_cast<void>(api::parse_low_balance_query(text, text, text));
    const auto json = api::parse_request_body(text);
    check_plain(api::read_plain_sign_request(text), json, api::parse_sign_request);
    constexpr std::size_t kItemsMax = 3;
    check_plain(
        api::read_plain_batch_sign_request(text, kItemsMax), json,
        [](const base::Json& body) { return api::parse_batch_sign_request(body, kItemsMax); });
    if (!json) return 0;
    try_request<api::AccountsRequest>(*json, api::parse_accounts_request);
    try_request<api::ReleaseRequest>(*json, api::parse_release_request);
    try_request<api::RenewRequest>(*json, api::parse_renew_request);
    try_request<api::BalanceRequest>(*json, api::parse_balance_request);
    try_request<api::FreezeRequest>(*json, api::parse_freeze_request);
    try_request<api::GrowRequest>(*json, api::parse_grow_request);
    try_request<api::AccountInfo>(*json, api::parse_account_info);
    try_request<api::PoolInfoResponse>(*json, api::parse_pool_info_response);
    try_request<api::AllocationResponse>(*json, api::parse_allocation_response);
    try_request<api::BalanceResponse>(*json, api::parse_balance_response);
    if (const auto sign = api::parse_sign_request(*json)) {
        static_cast<void>(api::signing_digest(sign->item));
    }
    if (const auto batch = api::parse_batch_sign_request(*json, 1000)) {
        CHECK(batch->requests.size() <= 1000);
    }
    if (const auto batch = api::parse_batch_sign_response(*json)) {
        CHECK(base::Json::parse(api::to_json_text(*batch)).has_value());
    }
    return 0;
}
