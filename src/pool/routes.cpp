#include <utility>

#include "attest/peer_identity.h"
#include "crypto/uuid.h"
#include "policy/freeze.h"
#include "pool/allocator.h"
#include "pool/balances.h"
#include "pool/clear_signing.h"
#include "pool/creator.h"
#include "pool/internal/route_support.h"
#include "pool/internal/service_parts.h"
#include "pool/pool_service.h"
#include "pool/signing.h"
#include "service/attestation_route.h"
#include "service/audit_export.h"

// The routes: authenticated by the frame; parse, check the claimed service, act, answer.
namespace adyton::pool {
namespace {

using http::Response;
using policy::Operation;
using service::Call;
using Answer = Task<Result<Response>>;
using Parts = PoolService::Parts;

constexpr std::int64_t kFreezesListed = 1000;
constexpr std::int64_t kAllocationsListed = 1000;

// The answer to a call that may replay: the body as it was sent the first time.
template <typename Act>
Answer answer_text(
    const Parts& parts, Call call, CallContext& context, Operation operation, Act act) {
    auto acting = act();
    auto body = co_await std::move(acting);
    if (!body) {
        auto failing = failed(parts.context, call, context, operation, std::move(body).error());
        co_return co_await std::move(failing);
    }
    auto response = service::json_answer(*std::move(body));
    if (context.replayed) response.headers.add("Idempotency-Replayed", "true");
    co_return response;
}

template <typename Act>
Answer answer_message(
    const Parts& parts, Call call, CallContext& context, Operation operation, Act act) {
    auto acting = act();
    auto message = co_await std::move(acting);
    if (!message) {
        auto failing = failed(parts.context, call, context, operation, std::move(message).error());
        co_return co_await std::move(failing);
    }
    co_return service::json_answer(api::to_json_text(*message));
}

// Reads in one snapshot what the policy lets the caller see.
template <typename Read>
Answer answer_read(const Parts& parts, Call call, Operation operation, Read read) {
    CallContext context = context_of(call);
    auto act = [&]() -> Task<std::invoke_result_t<Read&, storage::Transaction&>> {
        using Message = std::invoke_result_t<Read&, storage::Transaction&>;
        const auto allowed = parts.context.policy.check(context.service, operation);
        if (!allowed) co_return Message(allowed.error());
        auto task = parts.context.database.read(read);
        co_return co_await std::move(task);
    };
    auto answering = answer_message(parts, call, context, operation, act);
    co_return co_await std::move(answering);
}

// ----- reads ------------------------------------------------------------------------------------

Answer pool_info(const Parts& parts, Call call) {
    return answer_read(parts, call, Operation::PoolInfo, [](storage::Transaction& tx) {
        return accounts::pool_info(tx);
    });
}

Answer master_key(const Parts& parts, Call call) {
    auto asking = service::asked_bundle(call, parts.attestation);
    CO_TRY(const auto served, co_await std::move(asking));
    auto response = service::json_answer(api::to_json_text(parts.statement.of(*served)));
    service::set_attestation_caching(call, response);
    co_return response;
}

Answer list_accounts(const Parts& parts, Call call) {
    const http::Parameters& query = call.request.query;
    CO_TRY(const auto service_id, query.find_single("service_id"));
    CO_TRY(const auto token, query.find_single("token"));
    CO_TRY(const auto min_balance, query.find_single("min_balance"));
    const auto wanted = api::parse_accounts_query(service_id, token, min_balance);
    CO_TRY_VOID(attest::check_claimed(call.caller(), wanted.service_id));
    const std::string service = call.caller().service_id.text();
    auto read = [&](storage::Transaction& tx) -> Result<api::AccountsResponse> {
        TRY(auto held, accounts::list_held(tx, service, wanted.token, wanted.min_balance));
        return api::AccountsResponse{std::move(held)};
    };
    auto answering = answer_read(parts, call, Operation::ListAccounts, read);
    co_return co_await std::move(answering);
}

Answer low_balance(const Parts& parts, Call call) {
    const http::Parameters& query = call.request.query;
    CO_TRY(const auto token, query.find_single("token"));
    CO_TRY(const auto max_balance, query.find_single("max_balance"));
    CO_TRY(const auto limit, query.find_single("limit"));
    const auto wanted = api::parse_low_balance_query(token, max_balance, limit);
    auto read = [&](storage::Transaction& tx) -> Result<api::AccountsResponse> {
        TRY(auto low, accounts::list_low_balance(tx, wanted));
        return api::AccountsResponse{std::move(low)};
    };
    auto answering = answer_read(parts, call, Operation::LowBalance, read);
    co_return co_await std::move(answering);
}

// ----- accounts ---------------------------------------------------------------------------------

Answer request_route(const Parts& parts, Call call) {
    CO_TRY(const auto body, parse_claimed_body(call));
    CO_TRY(auto request, api::parse_accounts_request(body));
    CallContext context = context_of(call);
    CO_TRY_VOID(take_idempotency_key(call, "POST /request", context));
    auto act = [&] { return request_accounts(parts.context, context, std::move(request)); };
    auto answering = answer_text(parts, call, context, Operation::RequestAccounts, act);
    co_return co_await std::move(answering);
}

Answer release_route(const Parts& parts, Call call) {
    CO_TRY(const auto body, parse_claimed_body(call));
    CO_TRY(auto request, api::parse_release_request(body));
    CallContext context = context_of(call);
    CO_TRY_VOID(take_idempotency_key(call, "POST /release", context));
    auto act = [&] { return release_accounts(parts.context, context, std::move(request)); };
    auto answering = answer_text(parts, call, context, Operation::ReleaseAccounts, act);
    co_return co_await std::move(answering);
}

Answer balance_route(const Parts& parts, Call call) {
    CO_TRY(const auto body, parse_claimed_body(call));
    CO_TRY(auto request, api::parse_balance_request(body));
    CallContext context = context_of(call);
    CO_TRY_VOID(take_idempotency_key(call, "POST /balance", context));
    auto act = [&] { return update_balance(parts.context, context, std::move(request)); };
    auto answering = answer_text(parts, call, context, Operation::UpdateBalance, act);
    co_return co_await std::move(answering);
}

Answer renew_route(const Parts& parts, Call call) {
    CO_TRY(const auto body, parse_claimed_body(call));
    CO_TRY(auto request, api::parse_renew_request(body));
    CallContext context = context_of(call);
    auto act = [&] { return renew_lock(parts.context, context, std::move(request)); };
    auto answering = answer_message(parts, call, context, Operation::RenewLock, act);
    co_return co_await std::move(answering);
}

// The usual request in one pass, and any other as it comes.
Result<api::SignRequest> parse_sign_body(const Call& call) {
    if (auto plain = api::read_plain_sign_request(call.request.body)) {
        TRY_VOID(attest::check_claimed(call.caller(), plain->service_id));
        return *std::move(plain);
    }
    TRY(const auto body, parse_claimed_body(call));
    return api::parse_sign_request(body);
}

Result<api::BatchSignRequest> parse_batch_sign_body(const Call& call, std::size_t items_max) {
    if (auto plain = api::read_plain_batch_sign_request(call.request.body, items_max)) {
        TRY_VOID(attest::check_claimed(call.caller(), plain->service_id));
        return *std::move(plain);
    }
    TRY(const auto body, parse_claimed_body(call));
    return api::parse_batch_sign_request(body, items_max);
}

Answer sign_route(const Parts& parts, Call call) {
    CO_TRY(const auto request, parse_sign_body(call));
    CallContext context = context_of(call);
    auto signing = sign(parts.context, context, request.item);
    auto body = co_await std::move(signing);
    if (!body) {
        const auto operation =
            asks_for_transaction(request.item) ? Operation::SignTransaction : Operation::SignDigest;
        auto failing = failed(parts.context, call, context, operation, std::move(body).error());
        co_return co_await std::move(failing);
    }
    co_return service::json_answer(*std::move(body));
}

Answer batch_sign_route(const Parts& parts, Call call) {
    CO_TRY(auto request, parse_batch_sign_body(call, parts.options.batch_sign_max));
    CallContext context = context_of(call);
    auto act = [&] { return batch_sign(parts.context, context, std::move(request)); };
    auto answering = answer_text(parts, call, context, Operation::SignDigest, act);
    co_return co_await std::move(answering);
}

// ----- operators --------------------------------------------------------------------------------

Result<policy::FreezeTarget> freeze_target(const api::FreezeRequest& request) {
    policy::FreezeTarget target;
    switch (request.scope) {
        case api::FreezeScope::Pool:
            target.scope = policy::FreezeScope::Pool;
            break;
        case api::FreezeScope::Service: {
            target.scope = policy::FreezeScope::Service;
            TRY(const auto id, attest::ServiceId::parse(request.subject));
            target.subject = id.text();
            break;
        }
        case api::FreezeScope::Account: {
            target.scope = policy::FreezeScope::Account;
            TRY(target.subject, crypto::canonical_uuid(request.subject));
            break;
        }
    }
    return target;
}

enum class Change { Set, Lift };

Answer change_freeze(const Parts& parts, Call call, Change change) {
    CO_TRY(const auto body, parse_claimed_body(call));
    CO_TRY(const auto request, api::parse_freeze_request(body));
    CO_TRY(const auto target, freeze_target(request));
    CallContext context = context_of(call);
    const PoolContext& pool = parts.context;
    auto act = [&]() -> Task<Result<api::FreezeResponse>> {
        CO_TRY_VOID(pool.policy.check(context.service, Operation::Freeze));
        auto unit = [&](storage::Transaction& tx) -> Result<api::FreezeResponse> {
            api::FreezeResponse response;
            response.frozen = change == Change::Set;
            if (change == Change::Set) {
                TRY(response.changed,
                    policy::set_freeze(tx, pool.audit, target, request.reason, context.service));
            } else {
                TRY(response.changed, policy::lift_freeze(tx, pool.audit, target, context.service));
            }
            return response;
        };
        auto write = pool.database.write(std::move(unit));
        co_return co_await std::move(write);
    };
    auto answering = answer_message(parts, call, context, Operation::Freeze, act);
    co_return co_await std::move(answering);
}

Result<api::FreezesResponse> read_freezes(storage::Transaction& tx) {
    TRY(const auto found, policy::list_freezes(tx, kFreezesListed));
    api::FreezesResponse response;
    for (const auto& freeze : found) {
        api::FreezeInfo info;
        switch (freeze.target.scope) {
            case policy::FreezeScope::Pool:
                info.scope = api::FreezeScope::Pool;
                break;
            case policy::FreezeScope::Service:
                info.scope = api::FreezeScope::Service;
                break;
            case policy::FreezeScope::Account:
                info.scope = api::FreezeScope::Account;
                break;
        }
        info.subject = freeze.target.subject;
        info.reason = freeze.reason;
        info.actor = freeze.actor;
        info.created_at = freeze.created_at;
        response.freezes.push_back(std::move(info));
    }
    return response;
}

Answer grow_route(const Parts& parts, Call call) {
    CO_TRY(const auto body, parse_claimed_body(call));
    CO_TRY(const auto request, api::parse_grow_request(body));
    CallContext context = context_of(call);
    auto act = [&]() -> Task<Result<api::GrowResponse>> {
        CO_TRY_VOID(parts.context.policy.check(context.service, Operation::Grow));
        auto growing = grow(parts.context, context, request);
        co_return co_await std::move(growing);
    };
    auto answering = answer_message(parts, call, context, Operation::Grow, act);
    co_return co_await std::move(answering);
}

Answer checkpoint_route(Parts& parts, Call call) {
    CallContext context = context_of(call);
    auto act = [&]() -> Task<Result<api::CheckpointResponse>> {
        CO_TRY_VOID(parts.context.policy.check(context.service, Operation::AuditExport));
        auto creating = parts.checkpoints.create();
        CO_TRY(const audit::Checkpoint made, co_await std::move(creating));
        co_return api::CheckpointResponse{made.number, made.hash().to_hex(), made.created_at};
    };
    auto answering = answer_message(parts, call, context, Operation::AuditExport, act);
    co_return co_await std::move(answering);
}

Answer export_route(const Parts& parts, Call call) {
    CallContext context = context_of(call);
    const auto allowed = parts.context.policy.check(context.service, Operation::AuditExport);
    if (!allowed) {
        auto failing =
            failed(parts.context, call, context, Operation::AuditExport, allowed.error());
        co_return co_await std::move(failing);
    }
    auto exporting = service::audit_export_answer(
        parts.context.database, parts.given.executor.now(), parts.checkpoint_key);
    co_return co_await std::move(exporting);
}

}  // namespace

void PoolService::register_routes(service::ServiceFrame& frame) {
    Parts& parts = *parts_;
    const auto add = [&](std::string_view method, std::string_view path, service::Access access,
                         Answer (*handler)(const Parts&, Call)) {
        frame.add(
            method, path, access, [&parts, handler](Call call) { return handler(parts, call); });
    };
    constexpr auto kService = service::Access::Service;
    add("GET", "/pool-info", kService, &pool_info);
    add("GET", "/master-key", service::Access::Public, &master_key);
    service::add_attestation_route(frame, parts.attestation);
    add("GET", "/accounts", kService, &list_accounts);
    add("GET", "/accounts/low-balance", kService, &low_balance);
    add("POST", "/request", kService, &request_route);
    add("POST", "/release", kService, &release_route);
    add("POST", "/renew", kService, &renew_route);
    add("POST", "/sign", kService, &sign_route);
    add("POST", "/batch-sign", kService, &batch_sign_route);
    add("POST", "/balance", kService, &balance_route);
    add("POST", "/grow", kService, &grow_route);
    add("GET", "/audit/export", kService, &export_route);
    register_transfer_routes(parts, frame);
    frame.add("POST", "/audit/checkpoint", kService, [&parts](Call call) {
        return checkpoint_route(parts, call);
    });
    frame.add("POST", "/freeze", kService, [&parts](Call call) {
        return change_freeze(parts, call, Change::Set);
    });
    frame.add("POST", "/unfreeze", kService, [&parts](Call call) {
        return change_freeze(parts, call, Change::Lift);
    });
    frame.add("GET", "/freezes", kService, [&parts](Call call) {
        return answer_read(parts, call, Operation::Freeze, &read_freezes);
    });
    frame.add("GET", "/allocations", kService, [&parts](Call call) {
        return answer_read(
            parts, call, Operation::AuditExport,
            [](storage::Transaction& tx) -> Result<api::AllocationsResponse> {
                TRY(auto open, accounts::list_allocations(tx, kAllocationsListed));
                return api::AllocationsResponse{std::move(open)};
            });
    });
}

}  // namespace adyton::pool
