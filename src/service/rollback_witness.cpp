#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/file_descriptor.h"
#include "service/rollback_guard.h"

namespace adyton::service {
namespace {

using base::FileDescriptor;
using base::Json;

constexpr std::size_t kFileBytesMax = std::size_t{4} * 1024 * 1024;

Error system_error(const std::string& path) {
    return Error::unavailable("\"" + path + "\": " + std::strerror(errno));
}

Result<std::optional<Anchor>> read_file(const std::string& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file.get() < 0) {
        if (errno == ENOENT) return std::optional<Anchor>();
        return system_error(path);
    }
    std::string text(kFileBytesMax, '\0');
    std::size_t have = 0;
    while (have < text.size()) {
        const ssize_t got = ::read(file.get(), text.data() + have, text.size() - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_error(path);
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
    }
    text.resize(have);
    auto anchor = parse_anchor(text);
    if (!anchor) return Error::corrupt_data("\"" + path + "\": " + anchor.error().message());
    return std::optional<Anchor>(*std::move(anchor));
}

// Whole or not at all.
Result<void> write_file(const std::string& path, const std::string& text) {
    const std::string aside = path + ".new";
    {
        const FileDescriptor file(
            ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (file.get() < 0) return system_error(aside);
        const ssize_t written = ::write(file.get(), text.data(), text.size());
        if (written != static_cast<ssize_t>(text.size()) || ::fsync(file.get()) != 0) {
            return system_error(aside);
        }
    }
    if (::rename(aside.c_str(), path.c_str()) != 0) return system_error(path);
    std::string parent = std::filesystem::path(path).parent_path().string();
    if (parent.empty()) parent = ".";
    const FileDescriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0 || ::fsync(directory.get()) != 0) return system_error(parent);
    return {};
}

// Chains that are new, and those that went on; what was known must continue.
Result<void> advance_file(const std::string& path, const Anchor& anchor) {
    TRY(const auto known, read_file(path));
    if (known) {
        TRY_VOID(check_continues(*known, anchor));
    }
    if (known && *known == anchor) return {};
    return write_file(path, to_text(anchor));
}

class FileWitness final : public RollbackWitness {
public:
    explicit FileWitness(std::string path) : path_(std::move(path)) {}

    std::string name() const override { return "file " + path_; }
    Task<Result<std::optional<Anchor>>> read() override {
        const std::string path = path_;
        auto reading =
            base::run_blocking(*base::Executor::current(), [path] { return read_file(path); });
        co_return co_await std::move(reading);
    }
    Task<Result<void>> advance(const Anchor& anchor) override {
        auto work = [path = path_, anchor] { return advance_file(path, anchor); };
        auto writing = base::run_blocking(*base::Executor::current(), std::move(work));
        co_return co_await std::move(writing);
    }

private:
    std::string path_;
};

class PeerWitness final : public RollbackWitness {
public:
    PeerWitness(http::Transport& transport, std::string base_url, std::string service_id)
        : transport_(transport),
          url_(std::move(base_url) + "/witness"),
          service_id_(std::move(service_id)) {}

    std::string name() const override { return "peer " + url_; }

    Task<Result<std::optional<Anchor>>> read() override {
        auto asking = transport_.send(request("GET", {}));
        auto answer = co_await std::move(asking);
        if (!answer) co_return Error::unavailable(answer.error().message());
        if (answer->status != http::Status::Ok) co_return refused(*answer);
        auto anchor = parse_anchor(answer->body);
        if (!anchor) co_return Error::corrupt_data(anchor.error().message());
        if (anchor->empty()) co_return std::optional<Anchor>();
        co_return std::optional<Anchor>(*std::move(anchor));
    }

    Task<Result<void>> advance(const Anchor& anchor) override {
        auto asking = transport_.send(request("POST", to_text(anchor)));
        auto answer = co_await std::move(asking);
        if (!answer) co_return Error::unavailable(answer.error().message());
        if (answer->status == http::Status::Conflict) {
            co_return Error::conflict(
                "remembers more than the database has", "database_rolled_back");
        }
        if (answer->status != http::Status::Ok) co_return refused(*answer);
        co_return Result<void>();
    }

private:
    http::ClientRequest request(std::string method, std::string body) const {
        http::ClientRequest out;
        out.method = std::move(method);
        out.url = url_;
        if (!service_id_.empty()) out.headers.add("X-Service-ID", service_id_);
        if (!body.empty()) out.headers.add("Content-Type", "application/json");
        out.body = std::move(body);
        return out;
    }
    static Error refused(const http::Response& answer) {
        return Error::unavailable("answers " + std::to_string(static_cast<int>(answer.status)));
    }

    http::Transport& transport_;
    const std::string url_;
    const std::string service_id_;
};

Result<Anchor> stored(storage::Transaction& tx, const std::string& owner) {
    TRY(const auto rows,
        tx.query(
            "SELECT chain, sequence, hash FROM rollback_anchors WHERE owner = $1 ORDER BY chain",
            {owner}));
    Anchor out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        audit::ChainHead head;
        TRY(head.chain, rows.integer(i, 0));
        TRY(head.sequence, rows.integer(i, 1));
        TRY(const auto hex, rows.text(i, 2));
        TRY(const auto bytes, base::hex_decode(hex));
        TRY(head.hash, crypto::Sha256Digest::parse(bytes));
        out.push_back(head);
    }
    return out;
}

Result<void> store(storage::Transaction& tx, const std::string& owner, const Anchor& anchor) {
    TRY(const Anchor known, stored(tx, owner));
    TRY_VOID(check_continues(known, anchor));
    for (const audit::ChainHead& head : anchor) {
        TRY_VOID(tx.execute(
            "INSERT INTO rollback_anchors (owner, chain, sequence, hash) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (owner, chain) DO UPDATE SET sequence = excluded.sequence, "
            "hash = excluded.hash",
            {owner, head.chain, head.sequence, head.hash.to_hex()}));
    }
    return {};
}

Task<Result<http::Response>> get_anchor(Call call, storage::Database& database) {
    const std::string owner = call.caller().service_id.text();
    auto unit = [owner](storage::Transaction& tx) { return stored(tx, owner); };
    auto reading = database.read(std::move(unit));
    CO_TRY(const Anchor anchor, co_await std::move(reading));
    co_return json_answer(to_text(anchor));
}

Task<Result<http::Response>> post_anchor(Call call, storage::Database& database) {
    const std::string owner = call.caller().service_id.text();
    CO_TRY(const Anchor anchor, parse_anchor(call.request.body));
    auto unit = [owner, anchor](storage::Transaction& tx) { return store(tx, owner, anchor); };
    auto writing = database.write(std::move(unit));
    CO_TRY_VOID(co_await std::move(writing));
    co_return json_answer(to_text(anchor));
}

}  // namespace

std::unique_ptr<RollbackWitness> file_witness(std::string path) {
    return std::make_unique<FileWitness>(std::move(path));
}

std::unique_ptr<RollbackWitness> peer_witness(
    http::Transport& transport, std::string base_url, std::string service_id) {
    return std::make_unique<PeerWitness>(transport, std::move(base_url), std::move(service_id));
}

void add_witness_routes(ServiceFrame& frame, storage::Database& database) {
    frame.add("GET", "/witness", Access::Service, [&database](Call call) {
        return get_anchor(call, database);
    });
    frame.add("POST", "/witness", Access::Service, [&database](Call call) {
        return post_anchor(call, database);
    });
}

}  // namespace adyton::service
