#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "crypto/secret.h"
#include "script/sensitive_bytes.h"

namespace adyton::compute {

// Looks for the values of secrets in what a job gives out: as they are, in hex of either case, in
// base64 and base64url (at each of the three alignments), reversed, and percent-encoded. It finds
// accidents and lazy thefts, no more: a script that encrypts, splits or re-encodes a secret in
// another way gets it out (docs/compute.md). Values shorter than kGuardedBytesMin are not looked
// for: they would be found everywhere. Not thread safe.
class LeakGuard {
public:
    static constexpr std::size_t kGuardedBytesMin = 4;

    struct Guarded {
        std::string name;
        script::SensitiveBytes value;
        bool exportable = true;
        bool redact = false;  // of those that are not exportable
    };
    explicit LeakGuard(std::vector<Guarded> secrets);

    bool empty() const { return forms_.empty(); }

    // The secrets of one text, by name; remembered for found().
    std::vector<std::string> search(std::string_view text);
    // The text, or "[redacted:NAME]" instead of all of it when it holds a secret that is not
    // exportable.
    std::string clean(std::string_view text);
    // Looks through all texts, numbers and names. True: something is to be redacted. A name that
    // holds a secret which is not exportable refuses, whatever its secret says.
    bool scan(const base::Json& value);

    // Names of everything that was found so far.
    const std::set<std::string>& found() const { return found_; }
    // Of these, the one that must not get out at all; empty: none.
    const std::string& refused() const { return refused_; }

private:
    struct Forms {
        std::string name;
        bool exportable = true;
        bool redact = false;
        std::vector<script::SensitiveBytes> plain;   // searched in the text and its decoded form
        std::vector<script::SensitiveBytes> hex;     // searched in lower case
        std::vector<script::SensitiveBytes> base64;  // searched with '-' as '+' and '_' as '/'
    };
    const Forms* first_unexportable(std::string_view text);
    bool scan_text(std::string_view text);

    std::vector<Forms> forms_;
    std::set<std::string> found_;
    std::string refused_;
};

}  // namespace adyton::compute
