#include "apps/schema.h"

#include <algorithm>
#include <span>

#include "audit/audit_log.h"
#include "base/check.h"
#include "compute/schema.h"
#include "coordinator/schema.h"
#include "keystore/schema.h"
#include "policy/rule.h"
#include "pool/schema.h"
#include "service/rollback_guard.h"
#include "workflow/idempotency.h"

namespace adyton::apps {

std::vector<storage::Migration> all_migrations() {
    std::vector<storage::Migration> all;
    for (const std::span<const storage::Migration> one :
         {workflow::migrations(), audit::migrations(), policy::migrations(), pool::migrations(),
          keystore::migrations(), compute::migrations(), coordinator::migrations(),
          service::rollback_migrations()}) {
        all.insert(all.end(), one.begin(), one.end());
    }
    const auto by_number = [](const storage::Migration& a, const storage::Migration& b) {
        return a.number < b.number;
    };
    std::sort(all.begin(), all.end(), by_number);
    for (std::size_t i = 1; i < all.size(); ++i) CHECK(all[i - 1].number < all[i].number);
    return all;
}

}  // namespace adyton::apps
