#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "audit/internal/format.h"
#include "audit/verify.h"
#include "base/check.h"

// Any bytes: the checker must answer, and must answer the same however the bytes are split. A line
// that is accepted is spelled in the one way that we write it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::audit;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto line = internal::parse_line(text)) {
        std::string again;
        std::visit([&again](const auto& content) { internal::append_line(again, content); }, *line);
        CHECK(again == std::string(text) + "\n");
    }
    ExportVerifier whole({});
    whole.feed(text);
    const AuditReport report = whole.finish();
    ExportVerifier split({});
    for (std::size_t at = 0; at < size; at += 13) split.feed(text.substr(at, 13));
    const AuditReport again = split.finish();
    CHECK(report.intact() == again.intact());
    if (!report.intact()) CHECK(report.fault->to_string() == again.fault->to_string());
    return 0;
}
