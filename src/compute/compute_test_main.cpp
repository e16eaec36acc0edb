#include <gtest/gtest.h>

#include "compute/host/library.h"
#include "script/zygote.h"

// The test program is the zygote of its executors, like adyton.
int main(int argc, char** argv) {
    const auto library = adyton::compute::host::library();
    if (const auto status = adyton::script::run_zygote_if_asked(argc, argv, library)) {
        return *status;
    }
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
