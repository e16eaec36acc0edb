#include "workflow/lease.h"

#include <chrono>

#include "base/check.h"

namespace adyton::workflow {
namespace {

constexpr std::size_t kNameBytesMax = 128;

void check_names(const std::string& name, const std::string& holder) {
    CHECK(!name.empty() && name.size() <= kNameBytesMax);
    CHECK(!holder.empty() && holder.size() <= kNameBytesMax);
}

base::Timestamp later(base::Timestamp now, base::Duration duration) {
    return now + std::chrono::duration_cast<std::chrono::microseconds>(duration);
}

Error lost() {
    return Error::conflict("the lease was lost", "lease_lost");
}

}  // namespace

Result<std::optional<Lease>> acquire_lease(
    storage::Transaction& tx, const std::string& name, const std::string& holder,
    base::Duration duration) {
    check_names(name, holder);
    TRY(const base::Timestamp now, tx.now());
    Lease lease{name, holder, 0, later(now, duration)};
    TRY(const storage::Rows rows,
        tx.query(
            "INSERT INTO leases (name, holder, fencing, expires_at) VALUES ($1, $2, 1, $3) "
            "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, "
            "fencing = leases.fencing + 1, expires_at = excluded.expires_at "
            "WHERE leases.holder = excluded.holder OR leases.expires_at <= $4 RETURNING fencing",
            {name, holder, lease.expires_at, now}));
    if (rows.empty()) return std::optional<Lease>();
    TRY(lease.fencing, rows.integer(0, 0));
    return std::optional<Lease>(std::move(lease));
}

Result<Lease> renew_lease(storage::Transaction& tx, const Lease& lease, base::Duration duration) {
    TRY(const base::Timestamp now, tx.now());
    Lease renewed = lease;
    renewed.expires_at = later(now, duration);
    TRY(const std::int64_t updated,
        tx.execute(
            "UPDATE leases SET expires_at = $4 WHERE name = $1 AND holder = $2 AND fencing = $3 "
            "AND expires_at > $5",
            {lease.name, lease.holder, lease.fencing, renewed.expires_at, now}));
    if (updated != 1) return lost();
    return renewed;
}

Result<void> check_lease(storage::Transaction& tx, const Lease& lease) {
    TRY(const base::Timestamp now, tx.now());
    const std::string sql = "SELECT holder, fencing, expires_at FROM leases WHERE name = $1" +
                            std::string(tx.fragment(storage::Fragment::ForUpdate));
    TRY(const storage::Rows rows, tx.query(sql, {lease.name}));
    if (rows.empty()) return lost();
    TRY(const std::string holder, rows.text(0, 0));
    TRY(const std::int64_t fencing, rows.integer(0, 1));
    TRY(const base::Timestamp expires_at, rows.timestamp(0, 2));
    if (holder != lease.holder || fencing != lease.fencing || expires_at <= now) return lost();
    return {};
}

Result<void> release_lease(storage::Transaction& tx, const Lease& lease) {
    TRY(const base::Timestamp now, tx.now());
    // The row stays: its fencing number must go on rising.
    TRY_VOID(tx.execute(
        "UPDATE leases SET expires_at = $4 WHERE name = $1 AND holder = $2 AND fencing = $3 "
        "AND expires_at > $4",
        {lease.name, lease.holder, lease.fencing, now}));
    return {};
}

Result<std::optional<Lease>> find_lease(storage::Transaction& tx, const std::string& name) {
    TRY(const storage::Rows rows,
        tx.query("SELECT holder, fencing, expires_at FROM leases WHERE name = $1", {name}));
    if (rows.empty()) return std::optional<Lease>();
    Lease lease;
    lease.name = name;
    TRY(lease.holder, rows.text(0, 0));
    TRY(lease.fencing, rows.integer(0, 1));
    TRY(lease.expires_at, rows.timestamp(0, 2));
    return std::optional<Lease>(std::move(lease));
}

}  // namespace adyton::workflow
