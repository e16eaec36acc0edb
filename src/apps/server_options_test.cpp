#include <gtest/gtest.h>

#include "apps/keystore_server.h"
#include "apps/pool_server.h"
#include "apps/script_engine.h"
#include "service/startup.h"

namespace adyton::apps {
namespace {

using Assignments = std::vector<std::pair<std::string, std::string>>;

Result<service::Config> load(Assignments set = {}) {
    service::ConfigInputs inputs;
    inputs.flags = std::move(set);
    return service::load_serve_config(inputs);
}

TEST(ServerOptionsTest, WithoutSettingsTransfersBehaveAsTheModuleSays) {
    const auto options = pool_options(load().value()).value().transfers;
    const pool::TransferOptions expected;
    EXPECT_EQ(options.system_fee_max, expected.system_fee_max);
    EXPECT_EQ(options.unfinished_per_account_max, expected.unfinished_per_account_max);
    EXPECT_EQ(options.validity, expected.validity);
    EXPECT_EQ(options.broadcast_wait, expected.broadcast_wait);
    EXPECT_EQ(options.resend_blocks, expected.resend_blocks);
    EXPECT_EQ(options.poll_min, expected.poll_min);
    EXPECT_EQ(options.poll_max, expected.poll_max);
    EXPECT_EQ(options.lease, expected.lease);
    EXPECT_EQ(options.runs_keep, expected.runs_keep);
    EXPECT_TRUE(options.tokens.empty());
}

TEST(ServerOptionsTest, EverySettingOfTransfersArrives) {
    const std::string token = "0xd2a4cff31913016155e38e474a2c06d08be276ce";
    const auto config = load(
        {{"pool.transfers.system_fee_max", "2000000"},
         {"pool.transfers.unfinished_per_account_max", "7"},
         {"pool.transfers.validity", "45s"},
         {"pool.transfers.broadcast_wait", "1s"},
         {"pool.transfers.resend_blocks", "9"},
         {"pool.transfers.poll_min", "20ms"},
         {"pool.transfers.poll_max", "30ms"},
         {"pool.transfers.lease", "3s"},
         {"pool.transfers.keep_runs", "2h"},
         {"neo.tokens", "FLM=" + token}});
    ASSERT_TRUE(config) << config.error().message();
    const auto options = pool_options(*config).value().transfers;
    EXPECT_EQ(options.system_fee_max, 2'000'000);
    EXPECT_EQ(options.unfinished_per_account_max, 7);
    EXPECT_EQ(options.validity, std::chrono::seconds(45));
    EXPECT_EQ(options.broadcast_wait, std::chrono::seconds(1));
    EXPECT_EQ(options.resend_blocks, 9U);
    EXPECT_EQ(options.poll_min, std::chrono::milliseconds(20));
    EXPECT_EQ(options.poll_max, std::chrono::milliseconds(30));
    EXPECT_EQ(options.lease, std::chrono::seconds(3));
    EXPECT_EQ(options.runs_keep, std::chrono::hours(2));
    ASSERT_EQ(options.tokens.size(), 1U);
    EXPECT_EQ(options.tokens[0].symbol, "FLM");
    EXPECT_EQ(options.tokens[0].contract.to_string(), token);
}

TEST(ServerOptionsTest, WhatContradictsItselfIsRefusedByName) {
    const auto polls = load({{"pool.transfers.poll_min", "3s"}});
    ASSERT_FALSE(polls);
    EXPECT_NE(polls.error().message().find("pool.transfers.poll_min"), std::string::npos);
    EXPECT_FALSE(load({{"pool.transfers.validity", "0s"}}));
    EXPECT_FALSE(load({{"pool.transfers.resend_blocks", "0"}}));
    const auto tokens = pool_options(load({{"neo.tokens", "GAS=0x00"}}).value());
    ASSERT_FALSE(tokens);
    EXPECT_NE(tokens.error().message().find("neo.tokens"), std::string::npos);
}

TEST(ServerOptionsTest, SettingsOfTheKeystoreArrive) {
    const keystore::KeystoreOptions expected;
    const auto plain = keystore_options(load().value(), attest::IdentityMode::Strict).value();
    EXPECT_EQ(plain.self_check, expected.self_check);
    EXPECT_EQ(plain.delegates_use, keystore::DelegatesUse::Anywhere);
    EXPECT_EQ(plain.signatures_keep, expected.signatures_keep);
    EXPECT_EQ(plain.prune_period, expected.prune_period);
    const auto config = load(
        {{"keystore.signing.self_check", "true"},
         {"keystore.delegates_use", "native"},
         {"keystore.keep_signatures", "24h"},
         {"idempotency.keep", "100h"}});
    ASSERT_TRUE(config) << config.error().message();
    const auto set = keystore_options(*config, attest::IdentityMode::Strict).value();
    EXPECT_EQ(set.self_check, crypto::SelfCheck::On);
    EXPECT_EQ(set.delegates_use, keystore::DelegatesUse::NativeOnly);
    EXPECT_EQ(set.signatures_keep, std::chrono::hours(100))
        << "idempotent answers are not forgotten";
    EXPECT_FALSE(load({{"keystore.delegates_use", "gates"}}));
}

TEST(ScriptEngineTest, ScriptsRunInThreadsOnlyWhereProcessesGiveNothingOrWhenAsked) {
    using attest::PlatformMode;
    script::Layers pages;
    pages.add(script::Layer::GuardPages);
    script::Layers masked;
    masked.add(script::Layer::MaskedMemory);
    for (const auto mode : {PlatformMode::Simulation, PlatformMode::Tsm, PlatformMode::SevGuest}) {
        EXPECT_EQ(decide_engine_form("auto", mode, pages).value(), EngineForm::Processes);
        EXPECT_EQ(decide_engine_form("auto", mode, masked).value(), EngineForm::Processes);
        EXPECT_EQ(decide_engine_form("processes", mode, pages).value(), EngineForm::Processes);
        EXPECT_EQ(decide_engine_form("threads", mode, pages).value(), EngineForm::Threads);
    }
    const auto sgx = PlatformMode::Gramine;
    EXPECT_EQ(decide_engine_form("auto", sgx, masked).value(), EngineForm::Threads);
    EXPECT_EQ(decide_engine_form("threads", sgx, masked).value(), EngineForm::Threads);
    EXPECT_FALSE(decide_engine_form("processes", sgx, masked));
    for (const char* choice : {"auto", "threads", "processes"}) {
        EXPECT_FALSE(decide_engine_form(choice, sgx, pages)) << choice;
    }
}

TEST(ScriptEngineTest, WhatTheKernelRefusedIsNamed) {
    const script::Layers all(~0U);
    EXPECT_EQ(refused_layers(all), script::Layers());
    script::Layers seccomp;
    seccomp.add(script::Layer::Seccomp);
    script::Layers group;
    group.add(script::Layer::ControlGroup);
    EXPECT_EQ(refused_layers(all.without(seccomp)), seccomp);
    // Those of a choice, not of the kernel.
    EXPECT_EQ(refused_layers(all.without(group)), script::Layers());
}

}  // namespace
}  // namespace adyton::apps
