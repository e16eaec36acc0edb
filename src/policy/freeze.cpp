#include "policy/freeze.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/json.h"

namespace adyton::policy {
namespace {

constexpr std::size_t kSubjectBytesMax = 128;
constexpr std::size_t kReasonBytesMax = 256;

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
}

Result<void> check_target(const FreezeTarget& target) {
    const bool needs_subject = target.scope != FreezeScope::Pool;
    if (target.subject.empty() == needs_subject) {
        return Error::invalid_argument(
            needs_subject ? "a freeze of a service or an account must name it"
                          : "a freeze of the pool names no subject");
    }
    if (target.subject.size() > kSubjectBytesMax || has_control(target.subject) ||
        !base::is_valid_utf8(target.subject)) {
        return Error::invalid_argument("the subject of the freeze is malformed");
    }
    return {};
}

Result<void> record(
    storage::Transaction& tx, audit::AuditLog& audit, std::string_view kind,
    const FreezeTarget& target, std::string_view actor, std::string_view reason) {
    std::string body;
    base::JsonWriter writer(body);
    writer.begin_object()
        .member("scope", to_string(target.scope))
        .member("subject", std::string_view(target.subject));
    if (!reason.empty()) writer.member("reason", reason);
    writer.end_object();
    TRY_VOID(audit.append(tx, {kind, actor, body}));
    return {};
}

}  // namespace

std::string_view to_string(FreezeScope scope) {
    switch (scope) {
        case FreezeScope::Pool:
            return "pool";
        case FreezeScope::Service:
            return "service";
        case FreezeScope::Account:
            return "account";
    }
    return "";
}

Result<FreezeScope> parse_freeze_scope(std::string_view text) {
    for (const auto scope : {FreezeScope::Pool, FreezeScope::Service, FreezeScope::Account}) {
        if (to_string(scope) == text) return scope;
    }
    return Error::invalid_argument("scope must be pool, service or account");
}

Result<bool> set_freeze(
    storage::Transaction& tx, audit::AuditLog& audit, const FreezeTarget& target,
    const std::string& reason, const std::string& actor) {
    TRY_VOID(check_target(target));
    if (reason.size() > kReasonBytesMax || has_control(reason) || !base::is_valid_utf8(reason)) {
        return Error::invalid_argument("the reason of the freeze is malformed");
    }
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t inserted,
        tx.execute(
            "INSERT INTO policy_freezes (scope, subject, reason, actor, created_at) "
            "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            {std::string(to_string(target.scope)), target.subject, reason, actor, now}));
    if (inserted == 0) return false;
    TRY_VOID(record(tx, audit, "policy.freeze", target, actor, reason));
    return true;
}

Result<bool> lift_freeze(
    storage::Transaction& tx, audit::AuditLog& audit, const FreezeTarget& target,
    const std::string& actor) {
    TRY_VOID(check_target(target));
    TRY(const std::int64_t deleted,
        tx.execute(
            "DELETE FROM policy_freezes WHERE scope = $1 AND subject = $2",
            {std::string(to_string(target.scope)), target.subject}));
    if (deleted == 0) return false;
    TRY_VOID(record(tx, audit, "policy.unfreeze", target, actor, ""));
    return true;
}

Result<std::vector<Freeze>> list_freezes(storage::Transaction& tx, std::int64_t count) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT scope, subject, reason, actor, created_at FROM policy_freezes "
            "ORDER BY created_at, scope, subject LIMIT $1",
            {count}));
    std::vector<Freeze> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        Freeze freeze;
        TRY(const std::string scope, rows.text(i, 0));
        const auto parsed = parse_freeze_scope(scope);
        if (!parsed) return Error::corrupt_data("a stored freeze has an unknown scope");
        freeze.target.scope = *parsed;
        TRY(freeze.target.subject, rows.text(i, 1));
        TRY(freeze.reason, rows.text(i, 2));
        TRY(freeze.actor, rows.text(i, 3));
        TRY(freeze.created_at, rows.timestamp(i, 4));
        out.push_back(std::move(freeze));
    }
    return out;
}

Result<void> check_frozen(
    storage::Transaction& tx, const std::string& service, const std::string& account) {
    TRY(const storage::Rows rows,
        tx.query("SELECT " ADYTON_FREEZE_SUBQUERY("$1", "$2"), {service, account}));
    TRY(const std::optional<std::string> scope, rows.optional_text(0, 0));
    if (scope) return frozen_error(*scope);
    return {};
}

Error frozen_error(std::string_view scope_text) {
    const auto scope = parse_freeze_scope(scope_text);
    if (scope && *scope == FreezeScope::Account) {
        return Error::frozen("the account is frozen", "account_frozen");
    }
    if (scope && *scope == FreezeScope::Service) {
        return Error::frozen("the service is frozen", "service_frozen");
    }
    return Error::frozen("the pool is frozen", "pool_frozen");
}

}  // namespace adyton::policy
