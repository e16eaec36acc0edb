#include <gtest/gtest.h>

#include "script/test_library.h"
#include "script/zygote.h"

// The test program is its own zygote, like adyton.
int main(int argc, char** argv) {
    if (const auto status =
            adyton::script::run_zygote_if_asked(argc, argv, adyton::script::test_library())) {
        return *status;
    }
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
