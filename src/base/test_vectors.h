#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/json.h"

// For tests: published vectors, from tests/vectors or from the directory that ADYTON_VECTORS names.
namespace adyton::base {

// "near/delegates.json" as JSON. A missing file, or one that is not JSON, fails the test and gives
// an empty object.
inline Json read_vectors(const std::string& name) {
    const char* const configured = std::getenv("ADYTON_VECTORS");
    const std::string path =
        std::string(configured != nullptr ? configured : "tests/vectors") + "/" + name;
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file) << "cannot read " << path;
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    auto json = Json::parse(text);
    EXPECT_TRUE(json) << path << " is not JSON";
    return json ? std::move(*json) : Json::object();
}

}  // namespace adyton::base
