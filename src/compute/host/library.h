#pragma once

#include "script/host_functions.h"

namespace adyton::compute::host {

// What scripts find beside the language: crypto.*, hex, base58, base64, TextEncoder, TextDecoder,
// URL, URLSearchParams. Names, arguments, errors and gas: docs/script-api.md. Static data.
const script::HostLibrary& library();

}  // namespace adyton::compute::host
