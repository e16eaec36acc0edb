#include "service/internal/near_match.h"

#include <algorithm>

namespace adyton::service::internal {
namespace {
constexpr std::size_t kLengthMax = 128;

std::string_view last_part(std::string_view key) {
    const std::size_t dot = key.rfind('.');
    return dot == std::string_view::npos ? key : key.substr(dot + 1);
}
}  // namespace

// Optimal string alignment, three rows of the table at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> previous(b.size() + 1);
    std::vector<std::size_t> current(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        current[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            std::size_t best = std::min(previous[j] + 1, current[j - 1] + 1);
            best = std::min(best, previous[j - 1] + change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                best = std::min(best, before[j - 2] + 1);
            }
            current[j] = best;
        }
        std::swap(before, previous);
        std::swap(previous, current);
    }
    return previous[b.size()];
}

std::string near_match(std::string_view text, const std::vector<std::string>& candidates) {
    if (text.empty() || text.size() > kLengthMax) return {};
    std::string best;
    std::size_t best_distance = 4;
    for (const std::string& candidate : candidates) {
        const std::size_t distance = edit_distance(text, candidate);
        if (distance < best_distance && distance * 3 <= candidate.size()) {
            best = candidate;
            best_distance = distance;
        }
    }
    if (!best.empty()) return best;
    for (const std::string& candidate : candidates) {
        if (last_part(candidate) == last_part(text)) return candidate;
    }
    return {};
}

}  // namespace adyton::service::internal
