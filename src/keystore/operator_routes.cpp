#include <chrono>
#include <optional>

#include "crypto/uuid.h"
#include "keystore/internal/route_support.h"
#include "keystore/policy_check.h"
#include "keystore/records.h"
#include "keystore/wallet_id.h"
#include "near/account_id.h"
#include "near/keys.h"
#include "policy/approval.h"
#include "service/audit_export.h"

// Ours: wallets, policies, freezes, approvals and the audit log. Coordinators may create wallets,
// list approvals and hand in votes (which prove themselves); the rest is for operators.
namespace adyton::keystore {
namespace {

using base::Json;
using http::Response;
using service::Call;
using storage::Transaction;
using Parts = KeystoreService::Parts;

constexpr std::int64_t kListed = 1000;

Error bad(std::string text) {
    return Error::invalid_argument(std::move(text));
}

Json text(std::string_view value) {
    return Json::string(std::string(value));
}

Result<std::optional<std::string>> find_text(const Json& body, std::string_view name) {
    const Json* const found = body.find(name);
    if (found == nullptr || found->is_null()) return std::optional<std::string>();
    if (!found->is_string()) return bad(std::string(name) + " must be a string");
    return std::optional<std::string>(found->string_value());
}

Result<std::string> need_text(const Json& body, std::string_view name) {
    TRY(auto found, find_text(body, name));
    if (!found) return bad(std::string(name) + " is required");
    return *std::move(found);
}

Result<std::optional<std::int64_t>> find_integer(const Json& body, std::string_view name) {
    const Json* const found = body.find(name);
    if (found == nullptr || found->is_null()) return std::optional<std::int64_t>();
    const auto number = found->as_int64();
    if (!number) return bad(std::string(name) + " must be an integer");
    return std::optional<std::int64_t>(*number);
}

Result<std::string> need_wallet(const Json& body) {
    TRY(auto id, need_text(body, "wallet_id"));
    TRY_VOID(check_wallet_id(id));
    return id;
}

Json find_object(const Json& body, std::string_view name) {
    const Json* const found = body.find(name);
    return found == nullptr ? Json() : *found;
}

Answer answered(Task<Result<Json>> work) {
    CO_TRY(const Json json, co_await std::move(work));
    co_return service::json_answer(json.dump());
}

template <typename Unit>
Answer write(Parts& parts, Unit unit) {
    auto writing = parts.context.database.write(std::move(unit));
    CO_TRY(const Json json, co_await std::move(writing));
    co_return service::json_answer(json.dump());
}

template <typename Unit>
Answer read(Parts& parts, Unit unit) {
    auto reading = parts.context.database.read(std::move(unit));
    CO_TRY(const Json json, co_await std::move(reading));
    co_return service::json_answer(json.dump());
}

Json wallet_json(const Parts& parts, const std::string& wallet_id, std::uint32_t version) {
    const auto key = parts.keys.public_key(KeyName::wallet(wallet_id, version));
    return Json::object()
        .set("wallet_id", text(wallet_id))
        .set("address", text(near::AccountId::implicit(key).text()))
        .set("public_key", text(near::PublicKey(key).to_string()))
        .set("key_version", Json::unsigned_integer(version));
}

// ----- wallets ----------------------------------------------------------------------------------

Answer create_wallet(Parts& parts, Call call, Json body) {
    CO_TRY(auto wanted, find_text(body, "wallet_id"));
    const std::string wallet_id = wanted ? *wanted : crypto::uuid_v4(parts.given.random);
    CO_TRY_VOID(check_wallet_id(wallet_id));
    const CallerContext caller = caller_of(call);
    auto unit = [&parts, wallet_id, caller](Transaction& tx) -> Result<Json> {
        TRY(const auto now, tx.now());
        TRY(const bool created, records::create_wallet(tx, wallet_id, now));
        TRY(const auto version, records::key_version(tx, wallet_id));
        if (created) {
            TRY_VOID(record(
                tx, parts.context, "keystore.wallet", caller.actor, [&](base::JsonWriter& out) {
                    out.member("wallet_id", std::string_view(wallet_id));
                    out.member("trace_id", std::string_view(caller.trace_id));
                }));
        }
        return wallet_json(parts, wallet_id, version).set("created", Json::boolean(created));
    };
    auto writing = write(parts, std::move(unit));
    co_return co_await std::move(writing);
}

Answer list_wallets(Parts& parts, Call, Json body) {
    CO_TRY(const auto after, find_text(body, "after"));
    auto unit = [&parts, from = after.value_or("")](Transaction& tx) -> Result<Json> {
        TRY(const auto wallets, records::list_wallets(tx, from, kListed));
        Json list = Json::array();
        for (const auto& wallet : wallets) {
            list.push_back(wallet_json(parts, wallet.wallet_id, wallet.key_version)
                               .set("created_at", text(base::to_rfc3339(wallet.created_at))));
        }
        return Json::object().set("wallets", std::move(list));
    };
    auto reading = read(parts, std::move(unit));
    co_return co_await std::move(reading);
}

Answer rotate_key(Parts& parts, Call call, Json body) {
    CO_TRY(const auto wallet_id, need_wallet(body));
    const CallerContext caller = caller_of(call);
    auto unit = [&](Transaction& tx) -> Result<std::uint32_t> {
        TRY(const auto now, tx.now());
        TRY(const auto version, records::rotate_key(tx, wallet_id, now));
        TRY_VOID(
            record(tx, parts.context, "keystore.rotate", caller.actor, [&](base::JsonWriter& out) {
                out.member("wallet_id", std::string_view(wallet_id));
                out.member("key_version", std::int64_t{version});
                out.member("trace_id", std::string_view(caller.trace_id));
            }));
        return version;
    };
    auto writing = parts.context.database.write(std::move(unit));
    CO_TRY(const std::uint32_t version, co_await std::move(writing));
    parts.versions.note(wallet_id, version);
    co_return service::json_answer(wallet_json(parts, wallet_id, version).dump());
}

// ----- policies ---------------------------------------------------------------------------------

Result<policy::PolicyStore::Change> change_of(const Call& call, const Json& body) {
    policy::PolicyStore::Change change;
    TRY(const auto wallet_id, need_wallet(body));
    change.subject = subject_of(wallet_id);
    TRY(change.expected_version, find_integer(body, "expected_version"));
    TRY(const auto note, find_text(body, "note"));
    change.note = note.value_or("");
    change.actor = caller_of(call).actor;
    return change;
}

Json version_answer(std::int64_t version) {
    return Json::object().set("version", Json::integer(version));
}

Answer put_policy(Parts& parts, Call call, Json body) {
    CO_TRY(const auto change, change_of(call, body));
    const Json* const given = body.find("policy");
    if (given == nullptr || !given->is_object()) co_return bad("policy must be an object");
    auto rules = policy::ValuePolicy::parse_any(*given);
    if (!rules) co_return std::move(rules).error().with_context("policy");
    auto unit = [&](Transaction& tx) -> Result<Json> {
        TRY(const auto version, parts.policies.put(tx, parts.context.audit, change, *rules));
        return version_answer(version).set("digest", text(policy::digest_of(*rules).to_hex()));
    };
    auto writing = write(parts, std::move(unit));
    co_return co_await std::move(writing);
}

Answer get_policy(Parts& parts, Call, Json body) {
    CO_TRY(const auto wallet_id, need_wallet(body));
    CO_TRY(const auto version, find_integer(body, "version"));
    const std::string subject = subject_of(wallet_id);
    auto unit = [&](Transaction& tx) -> Result<Json> {
        TRY(const auto stored, parts.policies.load(tx, subject));
        Json out = Json::object();
        out.set("wallet_id", text(wallet_id));
        out.set("frozen", Json::boolean(stored.frozen));
        if (!stored.freeze_reason.empty()) out.set("freeze_reason", text(stored.freeze_reason));
        if (version) {
            TRY(const auto rules, parts.policies.find_version(tx, subject, *version));
            out.set("version", Json::integer(*version));
            out.set("policy", policy::to_json(rules));
        } else if (stored.policy != nullptr) {
            out.set("version", Json::integer(stored.version));
            out.set("digest", text(policy::digest_of(*stored.policy).to_hex()));
            out.set("policy", policy::to_json(*stored.policy));
        } else {
            out.set("version", Json::integer(stored.version));
            out.set("policy", Json());
        }
        return out;
    };
    auto reading = read(parts, std::move(unit));
    co_return co_await std::move(reading);
}

Answer remove_policy(Parts& parts, Call call, Json body) {
    CO_TRY(const auto change, change_of(call, body));
    auto unit = [&](Transaction& tx) -> Result<Json> {
        TRY(const auto version, parts.policies.remove(tx, parts.context.audit, change));
        return version_answer(version);
    };
    auto writing = write(parts, std::move(unit));
    co_return co_await std::move(writing);
}

Answer policy_history(Parts& parts, Call, Json body) {
    CO_TRY(const auto wallet_id, need_wallet(body));
    auto unit = [&](Transaction& tx) -> Result<Json> {
        TRY(const auto versions, parts.policies.history(tx, subject_of(wallet_id), kListed));
        Json list = Json::array();
        for (const auto& one : versions) {
            list.push_back(Json::object()
                               .set("version", Json::integer(one.version))
                               .set("removed", Json::boolean(one.removed))
                               .set("digest", text(one.digest.to_hex()))
                               .set("actor", text(one.actor))
                               .set("note", text(one.note))
                               .set("created_at", text(base::to_rfc3339(one.created_at))));
        }
        return Json::object().set("versions", std::move(list));
    };
    auto reading = read(parts, std::move(unit));
    co_return co_await std::move(reading);
}

Answer export_policy(Parts& parts, Call, Json body) {
    CO_TRY(const auto wallet_id, need_wallet(body));
    auto unit = [&](Transaction& tx) {
        return parts.policies.export_policy(tx, subject_of(wallet_id));
    };
    auto reading = read(parts, std::move(unit));
    co_return co_await std::move(reading);
}

Answer import_policy(Parts& parts, Call call, Json body) {
    const std::string actor = caller_of(call).actor;
    const Json* const exported = body.find("exported");
    if (exported == nullptr || !exported->is_object()) co_return bad("exported is required");
    auto unit = [&](Transaction& tx) -> Result<Json> {
        TRY(const auto version,
            parts.policies.import_policy(tx, parts.context.audit, *exported, actor));
        return version_answer(version);
    };
    auto writing = write(parts, std::move(unit));
    co_return co_await std::move(writing);
}

Answer policy_test(Parts& parts, Call, Json body) {
    PolicyTest test;
    CO_TRY(test.wallet_id, need_wallet(body));
    test.policy = find_object(body, "policy");
    test.action = find_object(body, "action");
    test.facts = find_object(body, "facts");
    auto reading = read_version(parts, test.wallet_id);
    CO_TRY(const std::uint32_t version, co_await std::move(reading));
    auto testing = answered(test_policy(parts.context, std::move(test), version));
    co_return co_await std::move(testing);
}

enum class Freezing { Set, Lift };

template <Freezing kWhich>
Answer change_freeze(Parts& parts, Call call, Json body) {
    CO_TRY(const auto wallet_id, need_wallet(body));
    CO_TRY(const auto reason, find_text(body, "reason"));
    const std::string actor = caller_of(call).actor;
    const std::string subject = subject_of(wallet_id);
    auto unit = [&](Transaction& tx) -> Result<Json> {
        bool changed = false;
        if constexpr (kWhich == Freezing::Set) {
            TRY(changed, parts.policies.freeze(
                             tx, parts.context.audit, subject, reason.value_or(""), actor));
        } else {
            TRY(changed, parts.policies.unfreeze(tx, parts.context.audit, subject, actor));
        }
        return Json::object()
            .set("frozen", Json::boolean(kWhich == Freezing::Set))
            .set("changed", Json::boolean(changed));
    };
    auto writing = write(parts, std::move(unit));
    co_return co_await std::move(writing);
}

// ----- approvals --------------------------------------------------------------------------------

// A request as approvers need it, with what they are to sign.
Json approval_json(const policy::ApprovalRequest& request) {
    Json out = policy::to_json(request);
    out.set("operation", text(request.operation.to_hex()));
    return out;
}

Answer list_approvals(Parts& parts, Call, Json body) {
    CO_TRY(const auto wallet_id, find_text(body, "wallet_id"));
    CO_TRY(const auto id, find_text(body, "request_id"));
    std::string subject;
    if (wallet_id) {
        CO_TRY_VOID(check_wallet_id(*wallet_id));
        subject = subject_of(*wallet_id);
    }
    auto unit = [&](Transaction& tx) -> Result<Json> {
        Json list = Json::array();
        if (id) {
            TRY(const auto one, policy::find_approval(tx, *id));
            list.push_back(approval_json(one));
        } else {
            TRY(const auto all, policy::list_approvals(tx, subject, kListed));
            for (const auto& one : all) list.push_back(approval_json(one));
        }
        return Json::object().set("approvals", std::move(list));
    };
    auto reading = read(parts, std::move(unit));
    co_return co_await std::move(reading);
}

Answer vote(Parts& parts, Call, Json body) {
    policy::SignedVote vote;
    CO_TRY(vote.request_id, need_text(body, "request_id"));
    CO_TRY(vote.approver_id, need_text(body, "approver_id"));
    CO_TRY(const auto decision, need_text(body, "decision"));
    if (decision != "approve" && decision != "reject") {
        co_return bad("decision must be approve or reject");
    }
    vote.decision = decision == "approve" ? policy::ApprovalDecision::Approve
                                          : policy::ApprovalDecision::Reject;
    CO_TRY(const auto signature, need_text(body, "signature_base64"));
    auto bytes = base::base64_decode(signature);
    if (!bytes) co_return bad("Invalid signature_base64");
    vote.signature = *std::move(bytes);
    auto unit = [&](Transaction& tx) -> Result<Json> {
        TRY(const auto request, policy::find_approval(tx, vote.request_id));
        TRY(const auto stored, parts.policies.load(tx, request.subject));
        const policy::ApprovalTerms terms =
            stored.policy == nullptr ? policy::ApprovalTerms{} : stored.policy->approval;
        TRY(const auto after, policy::add_vote(tx, parts.context.audit, terms, vote));
        return approval_json(after);
    };
    auto writing = write(parts, std::move(unit));
    co_return co_await std::move(writing);
}

// ----- audit ------------------------------------------------------------------------------------

Answer make_checkpoint(Parts& parts, Call, Json) {
    auto creating = parts.checkpoints.create();
    CO_TRY(const audit::Checkpoint made, co_await std::move(creating));
    co_return service::json_answer(Json::object()
                                       .set("number", Json::integer(made.number))
                                       .set("hash", text(made.hash().to_hex()))
                                       .dump());
}

Answer export_audit(Parts& parts, Call call) {
    CO_TRY_VOID(check_operator(call));
    auto exporting = service::audit_export_answer(
        parts.context.database, parts.given.executor.now(), parts.checkpoint_key);
    co_return co_await std::move(exporting);
}

enum class Role { Anybody, Operator };
using Handler = Answer (*)(Parts&, Call, Json);

Answer run(Parts& parts, Call call, Role role, Handler handler) {
    CO_TRY_VOID(check_ready(parts));
    if (role == Role::Operator) {
        CO_TRY_VOID(check_operator(call));
    }
    CO_TRY(auto body, api::parse_keystore_body(call.request.body));
    auto running = handler(parts, call, std::move(body));
    co_return co_await std::move(running);
}

}  // namespace

void register_operator_routes(Parts& parts, service::ServiceFrame& frame) {
    const auto add = [&](std::string_view path, Role role, Handler handler) {
        frame.add("POST", path, service::Access::Service, [&parts, role, handler](Call call) {
            return run(parts, call, role, handler);
        });
    };
    add("/wallet/create", Role::Anybody, &create_wallet);
    add("/wallet/list", Role::Operator, &list_wallets);
    add("/wallet/rotate-key", Role::Operator, &rotate_key);
    add("/wallet/policy/put", Role::Operator, &put_policy);
    add("/wallet/policy/get", Role::Operator, &get_policy);
    add("/wallet/policy/remove", Role::Operator, &remove_policy);
    add("/wallet/policy/history", Role::Operator, &policy_history);
    add("/wallet/policy/export", Role::Operator, &export_policy);
    add("/wallet/policy/import", Role::Operator, &import_policy);
    add("/wallet/policy/test", Role::Operator, &policy_test);
    add("/wallet/freeze", Role::Operator, &change_freeze<Freezing::Set>);
    add("/wallet/unfreeze", Role::Operator, &change_freeze<Freezing::Lift>);
    add("/wallet/approvals", Role::Anybody, &list_approvals);
    add("/wallet/approvals/vote", Role::Anybody, &vote);
    add("/audit/checkpoint", Role::Operator, &make_checkpoint);
    frame.add("GET", "/audit/export", service::Access::Service, [&parts](Call call) {
        return export_audit(parts, call);
    });
}

}  // namespace adyton::keystore
