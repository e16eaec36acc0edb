#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "storage/database.h"

// The outbox of webhooks (table coordinator_webhooks), as functions inside the caller's unit of
// work. Errors of storage::Transaction and CorruptData for rows that do not read back are not
// repeated below.
namespace adyton::coordinator {

enum class WebhookState {
    Pending,    // its run in the journal delivers it
    Delivered,  // the receiver answered 2xx
    Dead,       // given up; an operator or the wallet may have it tried again
};
std::string_view to_string(WebhookState state);
Result<WebhookState> parse_webhook_state(std::string_view text);

// One message for one receiver. Its id and body are the same at every attempt.
struct WebhookDelivery {
    std::string id;  // webhook-id
    std::string endpoint;
    std::string wallet_id;
    std::string request_id;
    std::string event;  // "workflow.succeeded"
    std::string body;
    WebhookState state = WebhookState::Pending;
    std::int64_t rounds = 1;    // runs that tried to deliver it
    std::int64_t attempts = 0;  // that are known of, in all rounds
    std::optional<std::int64_t> last_http_status;
    std::string last_error;  // empty: none
    base::Timestamp created_at;
    base::Timestamp updated_at;
};

// The run of a round: "<id>.<round>".
std::string webhook_run_id(const WebhookDelivery& delivery);

namespace webhooks {

// Conflict "unique": there is one of that id.
Result<void> insert(storage::Transaction& tx, const WebhookDelivery& delivery);
Result<std::optional<WebhookDelivery>> find(storage::Transaction& tx, const std::string& id);
// State, rounds, attempts, last status and error. CorruptData: there is none of that id.
Result<void> update(storage::Transaction& tx, const WebhookDelivery& delivery);

struct ListQuery {
    std::string wallet_id;
    std::optional<WebhookState> state;  // none: all
    std::string after_id;               // with after_at: older than that one; empty: the newest
    base::Timestamp after_at;
    std::int64_t limit = 50;  // 1 to 200
};
// Newest first.
Result<std::vector<WebhookDelivery>> list(storage::Transaction& tx, const ListQuery& query);

// How many are in that state, of all wallets.
Result<std::int64_t> count(storage::Transaction& tx, WebhookState state);
// Forgets up to `limit` delivered or dead ones that were last changed before `before`; how many.
Result<std::int64_t> remove_over(
    storage::Transaction& tx, base::Timestamp before, std::int64_t limit);

}  // namespace webhooks
}  // namespace adyton::coordinator
