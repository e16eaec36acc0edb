#include "coordinator/webhook_repository.h"

#include <algorithm>
#include <array>
#include <utility>

namespace adyton::coordinator {
namespace {

using storage::Rows;
using storage::Transaction;

#define ADYTON_WEBHOOK_COLUMNS                                                    \
    "id, endpoint, wallet_id, request_id, event, body, state, rounds, attempts, " \
    "last_http_status, last_error, created_at, updated_at"

constexpr std::array<std::pair<WebhookState, std::string_view>, 3> kStates = {
    {{WebhookState::Pending, "pending"},
     {WebhookState::Delivered, "delivered"},
     {WebhookState::Dead, "dead"}}};

storage::Value number_or_null(const std::optional<std::int64_t>& number) {
    return number ? storage::Value(*number) : storage::Value();
}

Result<WebhookDelivery> read_delivery(const Rows& rows, std::size_t row) {
    WebhookDelivery out;
    TRY(out.id, rows.text(row, 0));
    TRY(out.endpoint, rows.text(row, 1));
    TRY(out.wallet_id, rows.text(row, 2));
    TRY(out.request_id, rows.text(row, 3));
    TRY(out.event, rows.text(row, 4));
    TRY(out.body, rows.text(row, 5));
    TRY(const std::string state, rows.text(row, 6));
    TRY(out.state, parse_webhook_state(state));
    TRY(out.rounds, rows.integer(row, 7));
    TRY(out.attempts, rows.integer(row, 8));
    if (!rows.is_null(row, 9)) {
        TRY(out.last_http_status, rows.integer(row, 9));
    }
    TRY(auto error, rows.optional_text(row, 10));
    out.last_error = std::move(error).value_or("");
    TRY(out.created_at, rows.timestamp(row, 11));
    TRY(out.updated_at, rows.timestamp(row, 12));
    return out;
}

Result<std::vector<WebhookDelivery>> read_all(const Rows& rows) {
    std::vector<WebhookDelivery> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(auto delivery, read_delivery(rows, i));
        out.push_back(std::move(delivery));
    }
    return out;
}

}  // namespace

std::string_view to_string(WebhookState state) {
    for (const auto& [known, name] : kStates) {
        if (known == state) return name;
    }
    CHECK(false);
    return {};
}

Result<WebhookState> parse_webhook_state(std::string_view text) {
    for (const auto& [known, name] : kStates) {
        if (name == text) return known;
    }
    return Error::invalid_argument("a webhook's state is pending, delivered or dead");
}

std::string webhook_run_id(const WebhookDelivery& delivery) {
    return delivery.id + "." + std::to_string(delivery.rounds);
}

namespace webhooks {

Result<void> insert(Transaction& tx, const WebhookDelivery& delivery) {
    TRY(const base::Timestamp now, tx.now());
    TRY_VOID(tx.execute(
        "INSERT INTO coordinator_webhooks (" ADYTON_WEBHOOK_COLUMNS
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)",
        {delivery.id, delivery.endpoint, delivery.wallet_id, delivery.request_id, delivery.event,
         delivery.body, to_string(delivery.state), delivery.rounds, delivery.attempts,
         number_or_null(delivery.last_http_status), delivery.last_error, now}));
    return {};
}

Result<std::optional<WebhookDelivery>> find(Transaction& tx, const std::string& id) {
    TRY(const Rows rows,
        tx.query(
            "SELECT " ADYTON_WEBHOOK_COLUMNS " FROM coordinator_webhooks WHERE id = $1", {id}));
    if (rows.empty()) return std::optional<WebhookDelivery>();
    TRY(auto delivery, read_delivery(rows, 0));
    return std::optional<WebhookDelivery>(std::move(delivery));
}

Result<void> update(Transaction& tx, const WebhookDelivery& delivery) {
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t changed,
        tx.execute(
            "UPDATE coordinator_webhooks SET state = $2, rounds = $3, attempts = $4, "
            "last_http_status = $5, last_error = $6, updated_at = $7 WHERE id = $1",
            {delivery.id, to_string(delivery.state), delivery.rounds, delivery.attempts,
             number_or_null(delivery.last_http_status), delivery.last_error, now}));
    if (changed != 1) return Error::corrupt_data("a webhook's row is gone");
    return {};
}

Result<std::vector<WebhookDelivery>> list(Transaction& tx, const ListQuery& query) {
    const auto limit = std::clamp<std::int64_t>(query.limit, 1, 200);
    const std::string state(query.state ? to_string(*query.state) : std::string_view());
    const bool from_newest = query.after_id.empty();
    TRY(const Rows rows,
        tx.query(
            "SELECT " ADYTON_WEBHOOK_COLUMNS
            " FROM coordinator_webhooks WHERE wallet_id = $1 AND ($2 = '' OR state = $2) AND "
            "($3 = 1 OR created_at < $4 OR (created_at = $4 AND id < $5)) "
            "ORDER BY created_at DESC, id DESC LIMIT $6",
            {query.wallet_id, state, std::int64_t{from_newest ? 1 : 0}, query.after_at,
             query.after_id, limit}));
    return read_all(rows);
}

Result<std::int64_t> count(Transaction& tx, WebhookState state) {
    TRY(const Rows rows,
        tx.query("SELECT count(*) FROM coordinator_webhooks WHERE state = $1", {to_string(state)}));
    return rows.integer(0, 0);
}

Result<std::int64_t> remove_over(Transaction& tx, base::Timestamp before, std::int64_t limit) {
    return tx.execute(
        "DELETE FROM coordinator_webhooks WHERE id IN (SELECT id FROM coordinator_webhooks "
        "WHERE state IN ('delivered', 'dead') AND updated_at < $1 LIMIT $2)",
        {before, limit});
}

}  // namespace webhooks
}  // namespace adyton::coordinator
