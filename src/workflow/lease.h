#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "storage/database.h"

namespace adyton::workflow {

// A named right to do something alone among all instances, until a time of the database's clock.
struct Lease {
    std::string name;
    std::string holder;
    std::int64_t fencing = 0;  // rises by at least one each time the lease is granted anew
    base::Timestamp expires_at;
};

// All calls run inside the caller's unit of work. Names and holders: 1 to 128 characters (CHECK).

// Null while another holder's lease runs. A lease that ran out, was released, or is the holder's
// own (from before a restart) is granted anew with a higher fencing number: what the old one fenced
// is refused from then on.
Result<std::optional<Lease>> acquire_lease(
    storage::Transaction& tx, const std::string& name, const std::string& holder,
    base::Duration duration);
// Conflict, reason "lease_lost": it ran out (even if nobody took it since) or was granted anew.
Result<Lease> renew_lease(storage::Transaction& tx, const Lease& lease, base::Duration duration);
// The same refusal, without a change: call it in each unit of work done under the lease. It locks
// the row in PostgreSQL, so the lease cannot be granted to another before that unit commits.
Result<void> check_lease(storage::Transaction& tx, const Lease& lease);
// Lets another take it at once. Nothing happens when it is lost already.
Result<void> release_lease(storage::Transaction& tx, const Lease& lease);
// The lease as stored, running or not; null when the name was never used.
Result<std::optional<Lease>> find_lease(storage::Transaction& tx, const std::string& name);

}  // namespace adyton::workflow
