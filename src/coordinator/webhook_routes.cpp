#include <utility>

#include "coordinator/internal/route_support.h"

// Ours: what was told of a wallet's workflows, and what could not be told.
namespace adyton::coordinator {
namespace {

using base::Json;
using service::Call;
using Core = CoordinatorService::Core;

constexpr std::int64_t kListDefault = 50;
constexpr std::int64_t kListMax = 200;

Json to_json(const WebhookDelivery& delivery) {
    const auto body = Json::parse(delivery.body);
    Json out = Json::object();
    out.set("id", Json::string(delivery.id));
    out.set("endpoint", Json::string(delivery.endpoint));
    out.set("request_id", Json::string(delivery.request_id));
    out.set("event", Json::string(delivery.event));
    out.set("state", Json::string(std::string(to_string(delivery.state))));
    out.set("attempts", Json::integer(delivery.attempts));
    out.set(
        "last_http_status",
        delivery.last_http_status ? Json::integer(*delivery.last_http_status) : Json());
    out.set("last_error", delivery.last_error.empty() ? Json() : Json::string(delivery.last_error));
    out.set("created_at", Json::string(base::to_rfc3339(delivery.created_at)));
    out.set("updated_at", Json::string(base::to_rfc3339(delivery.updated_at)));
    out.set("body", body ? *body : Json());
    return out;
}

Result<webhooks::ListQuery> query_of(const Call& call) {
    webhooks::ListQuery out;
    out.wallet_id = wallet_of(call);
    TRY(const auto state, call.request.query.find_single("state"));
    if (state) {
        auto parsed = parse_webhook_state(*state);
        if (!parsed) return Error::invalid_argument(parsed.error().message(), "invalid_request");
        out.state = *parsed;
    }
    out.limit = kListDefault;
    TRY(const auto limit, call.request.query.find_single("limit"));
    if (limit) {
        const auto number = near::parse_u64(*limit);
        if (!number || *number == 0 || *number > static_cast<std::uint64_t>(kListMax)) {
            return Error::invalid_argument("limit is 1 to 200", "invalid_request");
        }
        out.limit = static_cast<std::int64_t>(*number);
    }
    TRY(const auto after, call.request.query.find_single("after"));
    if (after) out.after_id = std::string(*after);
    return out;
}

Answer list_route(Core& core, Call call) {
    CO_TRY(webhooks::ListQuery query, query_of(call));
    std::vector<WebhookDelivery> found;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        if (!query.after_id.empty()) {
            TRY(const auto last, webhooks::find(tx, query.after_id));
            if (!last || last->wallet_id != query.wallet_id) {
                return Error::invalid_argument("after is no webhook", "invalid_request");
            }
            query.after_at = last->created_at;
        }
        TRY(found, webhooks::list(tx, query));
        return {};
    };
    auto read = core.parts.database.read(unit);
    CO_TRY_VOID(co_await std::move(read));
    Json list = Json::array();
    for (const WebhookDelivery& delivery : found) list.push_back(to_json(delivery));
    co_return service::json_answer(Json::object().set("webhooks", std::move(list)).dump());
}

Answer retry_route(Core& core, Call call) {
    CO_TRY_VOID(check_ready(core));
    CO_TRY(const std::string id, path_id(call));
    if (core.outbox == nullptr) {
        co_return Error::not_found("webhook " + id + " was not found", "request_not_found");
    }
    const std::string wallet_id = wallet_of(call);
    auto unit = [&](storage::Transaction& tx) { return core.outbox->retry(tx, wallet_id, id); };
    auto write = core.parts.database.write(unit);
    CO_TRY(const WebhookDelivery delivery, co_await std::move(write));
    co_return service::json_answer(to_json(delivery).dump());
}

}  // namespace

void add_webhook_routes(Core& core, service::ServiceFrame& frame) {
    using service::Access;
    frame.add("GET", "/wallet/v1/webhooks", Access::Service, [&core](Call call) {
        return list_route(core, call);
    });
    frame.add("POST", "/wallet/v1/webhooks/{id}/retry", Access::Service, [&core](Call call) {
        return retry_route(core, call);
    });
}

}  // namespace adyton::coordinator
