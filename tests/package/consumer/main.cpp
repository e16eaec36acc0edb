// Requests an account, signs a digest with it, verifies the signature and gives the account back.
//   consumer http://127.0.0.1:8085

#include <iostream>
#include <string>
#include <utility>

#include "api/pool_client.h"
#include "base/event_loop.h"
#include "crypto/digest.h"
#include "crypto/p256.h"
#include "crypto/random.h"
#include "http/client.h"

namespace {

using adyton::Result;
using adyton::Task;
namespace api = adyton::api;
namespace crypto = adyton::crypto;

Task<Result<std::string>> use_pool(api::PoolClient& pool) {
    auto requesting = pool.request({});
    const auto held = co_await std::move(requesting);
    if (!held) co_return held.error();
    const api::AccountInfo& account = held->accounts.front();

    const crypto::Sha256Digest digest = crypto::sha256(adyton::base::as_bytes("a message"));
    api::SignRequest sign;
    sign.item.account_id = account.id;
    sign.item.tx_hash.assign(digest.bytes.begin(), digest.bytes.end());
    sign.item.fencing = account.fencing;
    auto signing = pool.sign(sign);
    const auto answer = co_await std::move(signing);
    if (!answer) co_return answer.error();
    CO_TRY(const auto key, crypto::P256PublicKey::parse(answer->public_key));
    CO_TRY(const auto signature, crypto::P256Signature::parse(answer->signature));
    if (!crypto::verify(key, digest, signature)) {
        co_return adyton::Error::corrupt_data("the signature does not verify");
    }

    api::ReleaseRequest release;
    release.lock_id = held->lock_id;
    auto releasing = pool.release(release);
    const auto released = co_await std::move(releasing);
    if (!released) co_return released.error();
    co_return account.address;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    adyton::base::WorkerThreads workers(1);
    adyton::base::EventLoop loop(workers);
    crypto::SystemRandom random;
    adyton::http::Client http(loop, {});
    api::PoolClientOptions options;
    options.base_url = argv[1];
    options.service_id = "neocompute";
    options.attempts_max = 1;
    api::PoolClient pool(http, loop, random, options);
    const auto address = loop.run_until_done(use_pool(pool));
    if (!address) {
        std::cerr << adyton::base::to_string(address.error().code()) << ": "
                  << address.error().message() << '\n';
        return 1;
    }
    std::cout << "signed with " << *address << '\n';
    return 0;
}
