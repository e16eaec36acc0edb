#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "coordinator/repository.h"
#include "storage/database.h"

namespace adyton::coordinator::lane {

// lane::load() of every gate that has anybody in its queue, by one look.
Result<std::map<std::string, LaneLoad>> loads(storage::Transaction& tx);

}  // namespace adyton::coordinator::lane
