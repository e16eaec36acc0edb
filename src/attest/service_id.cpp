#include "attest/service_id.h"

#include <algorithm>

namespace adyton::attest {
namespace {
bool is_id_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}
}  // namespace

Result<ServiceId> ServiceId::parse(std::string_view text) {
    if (text.empty() || text.size() > kLengthMax ||
        !std::all_of(text.begin(), text.end(), is_id_character)) {
        return Error::invalid_argument("a service id is 1 to 64 characters of a-z, 0-9 and '-'");
    }
    return ServiceId(text);
}

}  // namespace adyton::attest
