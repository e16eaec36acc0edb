#pragma once

#include "attest/evidence.h"
#include "attest/peer_identity.h"
#include "base/result.h"
#include "service/config.h"

namespace adyton::service {

// The platform of this process, chosen once and by measured input alone: the configuration file or
// the command line, which the enclave or the image covers. InvalidArgument: it was said by the
// environment; or hardware is asked for while callers are believed who they say they are, so that
// evidence would vouch for keys that everybody may use.
Result<attest::PlatformMode> decide_platform(const Config& config, attest::IdentityMode identity);

}  // namespace adyton::service
