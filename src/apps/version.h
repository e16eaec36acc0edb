#pragma once

#include <string_view>

namespace adyton::apps {

// The version of the program; of the client library too (CMakeLists.txt, project()).
inline constexpr std::string_view kVersion = ADYTON_VERSION;

}  // namespace adyton::apps
