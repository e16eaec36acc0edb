#include "service/audit_export.h"

#include <memory>
#include <string>
#include <utility>

#include "audit/export.h"

namespace adyton::service {
namespace {

// Shared with the stream, which outlives the handler.
using SharedExport = std::shared_ptr<audit::AuditExport>;

Task<Result<void>> stream_export(SharedExport running, http::BodyWriter& out) {
    for (;;) {
        auto next = running->next();
        CO_TRY(const std::string piece, co_await std::move(next));
        if (piece.empty()) co_return Result<void>();
        auto writing = out.write(piece);
        CO_TRY_VOID(co_await std::move(writing));
    }
}

}  // namespace

Task<Result<http::Response>> audit_export_answer(
    storage::Database& database, base::Timestamp now, const crypto::Ed25519KeyPair& key) {
    audit::ExportOptions options;
    options.exported_at = now;
    options.key = &key;
    auto open = audit::AuditExport::open(database, options);
    CO_TRY(auto running, co_await std::move(open));
    auto response = http::Response::with_type(http::Status::Ok, "application/x-ndjson", {});
    response.stream = [shared = SharedExport(std::move(running))](http::BodyWriter& out) {
        return stream_export(shared, out);
    };
    co_return response;
}

}  // namespace adyton::service
