#pragma once

#include <initializer_list>
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
// base64 and base64url (at each of the three alignments), and reversed; each of these as it stands,
// percent-encoded, and escaped as JSON does it, up to kJsonLevelsMax times. It finds accidents and
// lazy thefts, no more: a script that encrypts, splits or re-encodes a secret in another way gets
// it out (docs/compute.md). Values shorter than kGuardedBytesMin are not looked for: they would be
// found everywhere. Not thread safe.
class LeakGuard {
public:
    static constexpr std::size_t kGuardedBytesMin = 4;
    static constexpr int kJsonLevelsMax = 3;
    // Of a text that was cut, an end like the first half of a form is a find, and so is one like
    // its first bytes, this many.
    static constexpr std::size_t kStumpBytes = 8;
    // Texts that were cut at their end, without any mark of it; empty ones are left out.
    using Stumps = std::initializer_list<std::string_view>;

    struct Guarded {
        std::string name;
        script::SensitiveBytes value;
        bool exportable = true;
        bool redact = false;  // of those that are not exportable
    };
    explicit LeakGuard(std::vector<Guarded> secrets);

    bool empty() const { return forms_.empty(); }

    // The secrets of one text, by name, and those that the ends of `stumps` begin; remembered for
    // found().
    std::vector<std::string> search(std::string_view text, Stumps stumps = {});
    // The text, or "[redacted:NAME]" instead of all of it when it holds a secret that is not
    // exportable. `stumps`: the parts of it that were cut.
    std::string clean(std::string_view text, Stumps stumps = {});
    // Looks through all texts, numbers and names. True: something is to be redacted. A name that
    // holds a secret which is not exportable refuses, whatever its secret says.
    bool scan(const base::Json& value);

    // Names of everything that was found so far.
    const std::set<std::string>& found() const { return found_; }
    // Of these, the one that must not get out at all; empty: none.
    const std::string& refused() const { return refused_; }
    // Whether one of these is not exportable: something is refused or redacted.
    bool held_back() const { return held_back_; }

private:
    struct Forms {
        std::string name;
        bool exportable = true;
        bool redact = false;
        std::vector<script::SensitiveBytes> plain;
        std::vector<script::SensitiveBytes> hex;     // searched in lower case
        std::vector<script::SensitiveBytes> base64;  // searched with '-' as '+' and '_' as '/'
    };
    const Forms* first_unexportable(std::string_view text, Stumps stumps = {});
    bool scan_text(std::string_view text);

    std::vector<Forms> forms_;
    std::set<std::string> found_;
    std::string refused_;
    bool held_back_ = false;
};

}  // namespace adyton::compute
