#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/bench/load_client.h"
#include "base/result.h"

namespace adyton::apps::bench {

// What the connections of the pool's benchmark say. Every answer is checked for success; verify()
// looks closely at the last one of a connection.
class PoolDialogue : public Dialogue {
public:
    virtual Result<void> verify() const = 0;
};

// POST /sign, another digest each time.
std::unique_ptr<PoolDialogue> make_sign_dialogue(std::string account_id, std::uint64_t seed);
// POST /batch-sign with one entry an account.
std::unique_ptr<PoolDialogue> make_batch_dialogue(
    std::vector<std::string> account_ids, std::uint64_t seed);
// GET /pool-info; `accounts` must be the total.
std::unique_ptr<PoolDialogue> make_pool_info_dialogue(std::int64_t accounts);
// POST /request of `count` accounts, then POST /release of that lock; the pair is one unit.
std::unique_ptr<PoolDialogue> make_request_dialogue(std::int64_t count);

}  // namespace adyton::apps::bench
