#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/transfer_types.h"
#include "base/check.h"

// What is accepted is written back and means the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto body = api::parse_request_body(text);
    if (!body) return 0;
    if (const auto request = api::parse_transfer_request(*body)) {
        const auto written = api::parse_request_body(api::to_json_text(*request));
        CHECK(written.has_value());
        const auto again = api::parse_transfer_request(*written);
        CHECK(again.has_value());
        CHECK(again->amount == request->amount && again->form == request->form);
        CHECK(again->to_address == request->to_address && again->data == request->data);
    }
    if (const auto answer = api::parse_transfer_info(*body)) {
        const auto written = base::Json::parse(api::to_json_text(*answer));
        CHECK(written.has_value());
        const auto again = api::parse_transfer_info(*written);
        CHECK(again.has_value());
        CHECK(*again == *answer);
    }
    if (const auto page = api::parse_transfers_response(*body)) {
        CHECK(base::Json::parse(api::to_json_text(*page)).has_value());
    }
    return 0;
}
