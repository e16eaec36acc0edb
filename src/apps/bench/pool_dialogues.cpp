#include "apps/bench/pool_dialogues.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <utility>

#include "api/pool_types.h"
#include "base/bytes.h"
#include "base/json.h"
#include "crypto/p256.h"

namespace adyton::apps::bench {
namespace {

Error refused(unsigned status, std::string_view body) {
    return Error::internal(fmt::format("the server answered {}: {}", status, body.substr(0, 300)));
}

// Digests that never repeat: a counter in 32 bytes.
class Digests {
public:
    explicit Digests(std::uint64_t seed) : seed_(seed) {}
    crypto::Sha256Digest next() {
        crypto::Sha256Digest digest;
        ++counter_;
        std::memcpy(digest.bytes.data(), &seed_, sizeof seed_);
        std::memcpy(digest.bytes.data() + 24, &counter_, sizeof counter_);
        return digest;
    }

private:
    std::uint64_t seed_;
    std::uint64_t counter_ = 0;
};

Result<void> verify_signature(
    const api::SignResponse& answer, const std::string& account,
    const crypto::Sha256Digest& digest) {
    TRY(const auto key, crypto::P256PublicKey::parse(answer.public_key));
    TRY(const auto signature, crypto::P256Signature::parse(answer.signature));
    if (answer.account_id != account || !crypto::verify(key, digest, signature)) {
        return Error::corrupt_data("a signature of the server does not verify");
    }
    return {};
}

class SignDialogue final : public PoolDialogue {
public:
    SignDialogue(std::string account, std::uint64_t seed)
        : account_(std::move(account)), digests_(seed) {}

    void next_request(std::string& out) override {
        digest_ = digests_.next();
        const std::string body = fmt::format(
            R"({{"account_id":"{}","tx_hash":"{}"}})", account_,
            base::base64_encode(digest_.bytes));
        append_post(out, "/sign", body);
    }
    Result<std::uint64_t> on_answer(unsigned status, std::string_view body) override {
        if (status != 200) return refused(status, body);
        answer_.assign(body);
        answered_ = digest_;
        return 1U;
    }
    Result<void> verify() const override {
        TRY(const auto json, base::Json::parse(answer_));
        TRY(const auto answer, api::parse_sign_response(json));
        return verify_signature(answer, account_, answered_);
    }

private:
    std::string account_;
    Digests digests_;
    crypto::Sha256Digest digest_;
    crypto::Sha256Digest answered_;
    std::string answer_;
};

class BatchDialogue final : public PoolDialogue {
public:
    BatchDialogue(std::vector<std::string> accounts, std::uint64_t seed)
        : accounts_(std::move(accounts)), digests_(seed) {}

    void next_request(std::string& out) override {
        sent_.clear();
        std::string body = R"({"requests":[)";
        for (const std::string& account : accounts_) {
            sent_.push_back(digests_.next());
            fmt::format_to(
                std::back_inserter(body), R"({}{{"account_id":"{}","tx_hash":"{}"}})",
                sent_.size() == 1 ? "" : ",", account, base::base64_encode(sent_.back().bytes));
        }
        body += "]}";
        append_post(out, "/batch-sign", body);
    }
    Result<std::uint64_t> on_answer(unsigned status, std::string_view body) override {
        if (status != 200 || body.find("\"error") != std::string_view::npos) {
            return refused(status, body);
        }
        answer_.assign(body);
        answered_ = sent_;
        return std::uint64_t{accounts_.size()};
    }
    Result<void> verify() const override {
        TRY(const auto json, base::Json::parse(answer_));
        TRY(const auto answer, api::parse_batch_sign_response(json));
        if (answer.results.size() != accounts_.size()) {
            return Error::corrupt_data("a batch has another number of results");
        }
        for (std::size_t i = 0; i < accounts_.size(); ++i) {
            const auto& result = answer.results[i];
            if (!result.signed_item.has_value()) return Error::corrupt_data("a batch has errors");
            TRY_VOID(verify_signature(*result.signed_item, accounts_[i], answered_[i]));
        }
        return {};
    }

private:
    std::vector<std::string> accounts_;
    Digests digests_;
    std::vector<crypto::Sha256Digest> sent_;
    std::vector<crypto::Sha256Digest> answered_;
    std::string answer_;
};

class PoolInfoDialogue final : public PoolDialogue {
public:
    explicit PoolInfoDialogue(std::int64_t accounts) : accounts_(accounts) {}

    void next_request(std::string& out) override { append_get(out, "/pool-info"); }
    Result<std::uint64_t> on_answer(unsigned status, std::string_view body) override {
        if (status != 200) return refused(status, body);
        answer_.assign(body);
        return 1U;
    }
    Result<void> verify() const override {
        TRY(const auto json, base::Json::parse(answer_));
        TRY(const auto answer, api::parse_pool_info_response(json));
        if (answer.total_accounts != accounts_) {
            return Error::corrupt_data(fmt::format(
                "/pool-info says {} accounts, not {}", answer.total_accounts, accounts_));
        }
        return {};
    }

private:
    std::int64_t accounts_;
    std::string answer_;
};

class RequestDialogue final : public PoolDialogue {
public:
    explicit RequestDialogue(std::int64_t count) : count_(count) {}

    void next_request(std::string& out) override {
        if (lock_.empty()) {
            append_post(out, "/request", fmt::format(R"({{"count":{}}})", count_));
        } else {
            append_post(out, "/release", fmt::format(R"({{"lock_id":"{}"}})", lock_));
        }
    }
    Result<std::uint64_t> on_answer(unsigned status, std::string_view body) override {
        if (status != 200) return refused(status, body);
        if (lock_.empty()) {
            // After the accounts, whose own lock ids have the same value.
            constexpr std::string_view kName = "\"lock_id\":\"";
            const std::size_t at = body.rfind(kName);
            if (at == std::string_view::npos) return refused(status, body);
            lock_.assign(body.substr(at + kName.size(), 36));
            return 0U;
        }
        lock_.clear();
        if (body.find(fmt::format("\"released_count\":{}", count_)) == std::string_view::npos) {
            return refused(status, body);
        }
        return 1U;
    }
    Result<void> verify() const override { return {}; }  // every answer was checked whole

private:
    std::int64_t count_;
    std::string lock_;
};

}  // namespace

std::unique_ptr<PoolDialogue> make_sign_dialogue(std::string account_id, std::uint64_t seed) {
    return std::make_unique<SignDialogue>(std::move(account_id), seed);
}

std::unique_ptr<PoolDialogue> make_batch_dialogue(
    std::vector<std::string> account_ids, std::uint64_t seed) {
    return std::make_unique<BatchDialogue>(std::move(account_ids), seed);
}

std::unique_ptr<PoolDialogue> make_pool_info_dialogue(std::int64_t accounts) {
    return std::make_unique<PoolInfoDialogue>(accounts);
}

std::unique_ptr<PoolDialogue> make_request_dialogue(std::int64_t count) {
    return std::make_unique<RequestDialogue>(count);
}

}  // namespace adyton::apps::bench
