#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace adyton::chain::internal {

// Votes for one answer: how many endpoints gave each, and the one that leads.
template <typename T>
struct Votes {
    struct Choice {
        T value;
        std::size_t votes = 0;
    };
    std::map<std::string, Choice> choices;
    std::size_t most = 0;

    // It, and its votes now.
    Choice& add(const std::string& name, T value) {
        Choice& choice = choices.try_emplace(name, Choice{std::move(value), 0}).first->second;
        most = std::max(most, ++choice.votes);
        return choice;
    }
};

// Unavailable, reason "chain_unavailable": `why` begins with "; " or is empty.
inline Error too_few(
    std::string_view method, std::size_t told, std::size_t quorum, std::string_view why) {
    return Error::unavailable(
        fmt::format("{}: {} of {} nodes told{}", method, told, quorum, why), "chain_unavailable");
}

// Unavailable, reason "nodes_disagree".
inline Error disagreement(std::string_view method, std::size_t stories) {
    return Error::unavailable(
        fmt::format("{}: nodes tell {} different stories", method, stories), "nodes_disagree");
}

}  // namespace adyton::chain::internal
