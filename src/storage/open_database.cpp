#include "storage/open_database.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>

#include "storage/postgres/postgres_database.h"
#include "storage/sqlite/sqlite_database.h"

namespace adyton::storage {
namespace {

constexpr std::string_view kSqlite = "sqlite:";
constexpr std::array<std::string_view, 2> kPostgres = {"postgres://", "postgresql://"};
constexpr std::string_view kDefaultName = "adyton.db";

bool contains_pass(std::string_view key) {
    std::string lower(key);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char letter) {
        return static_cast<char>(std::tolower(letter));
    });
    // A percent-encoded key could spell it otherwise.
    return lower.find("pass") != std::string::npos || lower.find('%') != std::string::npos;
}

// "a=b&password=c" -> "a=b&password=***".
std::string redact_query(std::string_view query) {
    std::string shown;
    while (!query.empty()) {
        const auto end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        const auto equals = std::min(pair.find('='), pair.size());
        shown += pair.substr(0, equals);
        if (equals < pair.size()) {
            shown += contains_pass(pair.substr(0, equals)) ? "=***" : pair.substr(equals);
        }
        if (end < query.size()) shown += '&';
        query.remove_prefix(std::min(end + 1, query.size()));
    }
    return shown;
}

std::string redact_postgres(std::string_view scheme, std::string_view rest) {
    std::string shown(scheme);
    // A password may hold an unescaped '/', '?' or '@', so everything up to the last '@' counts as
    // user and password.
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        const std::string_view user = rest.substr(0, std::min(rest.find(':'), at));
        // Unless the '@' is one of the path or the query.
        shown += user.find_first_of("/?=&") == std::string_view::npos ? user : "***";
        if (user.size() < at) shown += ":***";
        shown += '@';
        rest.remove_prefix(at + 1);
    } else if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
        // "user:password" without a host.
        const std::string_view port =
            rest.substr(colon + 1, rest.find_first_of("/?,", colon) - colon - 1);
        if (rest[0] != '[' && port.find_first_not_of("0123456789") != std::string_view::npos) {
            return shown + "***";
        }
    }
    const auto question = std::min(rest.find('?'), rest.size());
    shown += rest.substr(0, question);
    if (question < rest.size()) shown += "?" + redact_query(rest.substr(question + 1));
    return shown;
}

}  // namespace

std::string redact_url(std::string_view url) {
    if (url.starts_with(kSqlite)) return std::string(url);
    for (const std::string_view scheme : kPostgres) {
        if (url.starts_with(scheme)) return redact_postgres(scheme, url.substr(scheme.size()));
    }
    return "(not a database URL)";
}

Result<std::unique_ptr<Database>> open_database(
    std::string_view url, std::string_view directory, base::Executor& executor,
    base::Logger& logger, std::atomic<bool>* disk_full) {
    if (url.empty() || url.starts_with(kSqlite)) {
        const std::string_view name = url.empty() ? kDefaultName : url.substr(kSqlite.size());
        if (name.empty()) return Error::invalid_argument("DATABASE_URL: sqlite: needs a path");
        SqliteOptions options;
        options.path = (std::filesystem::path(directory) / name).string();
        options.disk_full = disk_full;
        return create_sqlite_database(std::move(options), executor, logger);
    }
    for (const std::string_view scheme : kPostgres) {
        if (!url.starts_with(scheme)) continue;
        PostgresOptions options;
        options.url = std::string(url);
        options.disk_full = disk_full;
        return create_postgres_database(std::move(options), executor, logger);
    }
    return Error::invalid_argument(
        "DATABASE_URL must be sqlite:PATH, postgres://... or postgresql://...");
}

}  // namespace adyton::storage
