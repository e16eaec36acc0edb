#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/local_near.h"
#include "base/result.h"

namespace adyton::apps {

struct DevelopmentCoordinatorPlace {
    std::string directory;     // of its own; created when it is missing
    std::string listen;        // "127.0.0.1:8080"
    std::string keystore_url;  // "http://127.0.0.1:8087"
};

// The settings of a coordinator on the local NEAR network, as `adyton dev` runs it, with what must
// be secret in files of its directory (mode 0600): tokens that everybody knows, and the keys of the
// simulated relayer and approver. Unavailable: the disk refuses.
Result<std::vector<std::pair<std::string, std::string>>> development_coordinator_settings(
    const DevelopmentCoordinatorPlace& place, const LocalNear& near);

}  // namespace adyton::apps
