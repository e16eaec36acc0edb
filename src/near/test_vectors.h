#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/test_vectors.h"
#include "crypto/test_bytes.h"
#include "near/keys.h"

// Reading of tests/vectors/near, or of the directory that ADYTON_VECTORS points to. Every case is
// executed; an empty or missing file fails.
namespace adyton::near {

inline base::Json read_vectors(const std::string& name) {
    return base::read_vectors("near/" + name);
}

inline const base::Json& member_of(const base::Json& object, std::string_view name) {
    static const base::Json none;
    const base::Json* const member = object.find(name);
    if (member == nullptr) {
        ADD_FAILURE() << "no member " << name << " in " << object.dump();
        return none;
    }
    return *member;
}

inline std::string text_of(const base::Json& object, std::string_view name) {
    const base::Json& member = member_of(object, name);
    if (!member.is_string()) {
        ADD_FAILURE() << name << " is not a text in " << object.dump();
        return {};
    }
    return member.string_value();
}

// Runs `check` on each case; fails when there is none.
template <typename Check>
void for_each_case(const base::Json& document, const Check& check) {
    const base::Json* const cases = document.find("cases");
    ASSERT_TRUE(cases != nullptr && cases->is_array() && cases->size() > 0);
    for (const base::Json& each : cases->items()) {
        const base::Json* const name = each.find("name");
        SCOPED_TRACE(name != nullptr ? name->dump() : each.dump());
        check(each);
    }
}

inline crypto::Ed25519KeyPair key_of_seed(const std::string& hex) {
    return crypto::Ed25519KeyPair(crypto::secret32(crypto::from_hex(hex)));
}

}  // namespace adyton::near
