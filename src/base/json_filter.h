#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace adyton::base {

// Members of long documents that their reader has no use for: "proof" wherever it stands,
// "transaction.actions" in objects that are themselves the member "transaction" of an object.
// Immutable.
class JsonFilter {
public:
    explicit JsonFilter(const std::vector<std::string>& left_out);

    // `parent`: the name under which the object stands; empty: in a list, or the document itself.
    bool leaves_out(std::string_view parent, std::string_view name) const;

private:
    static constexpr std::size_t kSizes = 32;
    struct Rule {
        std::string parent;  // empty: any
        std::string name;
    };
    std::array<std::vector<Rule>, kSizes> rules_;  // by the size of the name
};

// Json::parse() without these members. Their text is read too, and is refused where it is malformed
// or nested too deeply; only a key that repeats there, or repeats a member left out, is not
// noticed.
Result<Json> parse_json(
    std::string_view text, const JsonFilter& filter, Json::Limits limits = Json::Limits{});

}  // namespace adyton::base
