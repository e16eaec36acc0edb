#include "attest/secret_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "attest/marble_secrets.h"
#include "attest/value_file.h"
#include "crypto/harden.h"
#include "crypto/secret_text.h"

namespace adyton::attest {
namespace {

constexpr std::size_t kPublicTextMax = 256 * 1024;

struct Prefix {
    std::string_view text;
    SecretReference::Kind kind;
};
constexpr Prefix kPrefixes[] = {
    {"env:", SecretReference::Kind::Environment},
    {"file:", SecretReference::Kind::File},
    {"credential:", SecretReference::Kind::Credential},
};

bool is_variable_name(std::string_view name) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
               (c >= 'a' && c <= 'z');
    });
}

bool is_credential_name(std::string_view name) {
    return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

class File {
public:
    explicit File(int fd) : fd_(fd) {}
    File(File&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    File& operator=(File&&) = delete;
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    int fd() const { return fd_; }

private:
    int fd_;
};

Error open_error(const std::string& path, int cause) {
    const std::string what = "\"" + path + "\": ";
    if (cause == ENOENT) return Error::not_found(what + "no such file");
    if (cause == ELOOP) {
        return Error::invalid_argument(what + "is a symbolic link; name the file itself");
    }
    return Error::permission_denied(what + "cannot be opened: " + std::strerror(cause));
}

Result<void> check_file(const std::string& path, const struct stat& status, FileUse use) {
    const std::string what = "\"" + path + "\": ";
    if (!S_ISREG(status.st_mode)) return Error::invalid_argument(what + "is not a regular file");
    if (status.st_uid != ::geteuid() && status.st_uid != 0) {
        return Error::permission_denied(what + "belongs to another user");
    }
    const mode_t forbidden = use == FileUse::Secret ? 077 : 022;
    if ((status.st_mode & forbidden) != 0) {
        return Error::permission_denied(
            what + (use == FileUse::Secret ? "others may read it; run chmod 600 on it"
                                           : "others may write it; run chmod go-w on it"));
    }
    if (status.st_size == 0) return Error::not_found(what + "is empty");
    return {};
}

// Not through a symbolic link, and without waiting for a writer if it is a pipe.
Result<File> open_file(const std::string& path, FileUse use, std::size_t& size) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return open_error(path, errno);
    File file(fd);
    struct stat status {};
    if (::fstat(fd, &status) != 0) return open_error(path, errno);
    TRY_VOID(check_file(path, status, use));
    size = static_cast<std::size_t>(status.st_size);
    return file;
}

// Reads until `out` is full or the file ends.
Result<std::size_t> read_all(
    const File& file, const std::string& path, std::span<std::uint8_t> out) {
    std::size_t have = 0;
    while (have < out.size()) {
        const ssize_t got = ::read(file.fd(), out.data() + have, out.size() - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return open_error(path, errno);
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
    }
    return have;
}

Result<std::string> credential_path(const std::string& name) {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (directory == nullptr || *directory == '\0') {
        return Error::invalid_argument(
            "credential \"" + name +
            "\": CREDENTIALS_DIRECTORY is not set; systemd sets it for units with "
            "LoadCredential= or LoadCredentialEncrypted=");
    }
    return std::string(directory) + "/" + name;
}

Result<std::string> path_of(const SecretReference& reference) {
    if (reference.kind == SecretReference::Kind::Credential) return credential_path(reference.name);
    return reference.name;
}

}  // namespace

Result<SecretReference> SecretReference::parse(std::string_view text) {
    for (const Prefix& prefix : kPrefixes) {
        if (!text.starts_with(prefix.text)) continue;
        const std::string_view name = text.substr(prefix.text.size());
        const bool good = prefix.kind == Kind::Environment ? is_variable_name(name)
                          : prefix.kind == Kind::Credential
                              ? is_credential_name(name)
                              : !name.empty() && name.find('\0') == name.npos;
        if (!good) break;
        return SecretReference{prefix.kind, std::string(name)};
    }
    return Error::invalid_argument(
        "a secret is named, never written: file:PATH, credential:NAME or env:VARIABLE");
}

std::string SecretReference::to_string() const {
    for (const Prefix& prefix : kPrefixes) {
        if (prefix.kind == kind) return std::string(prefix.text) + name;
    }
    return {};
}

Result<void> SecretSource::take_environment(std::span<const std::string> names) {
    std::string too_large;
    for (const std::string& name : names) {
        auto value = crypto::take_environment_secret(name);
        if (value) {
            taken_.insert_or_assign(name, std::move(value).value());
        } else if (value.error().code() == ErrorCode::TooLarge) {
            too_large = name;
        }
    }
    if (too_large.empty()) return {};
    return Error::too_large("variable " + too_large + " holds more than a secret may");
}

Result<SecretSource::InjectedSecrets> SecretSource::take_marble_secrets(
    std::span<const std::string> names) {
    char* const text = std::getenv(kMarbleSecrets);  // main thread, as the header says
    if (text == nullptr) return InjectedSecrets();
    const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(text), std::strlen(text));
    constexpr std::string_view kNone = "{}";
    auto parsed = parse_marble_secrets(bytes.empty() ? base::as_bytes(kNone) : bytes);
    crypto::wipe(bytes);
    ::unsetenv(kMarbleSecrets);
    TRY(auto secrets, std::move(parsed));
    InjectedSecrets out;
    for (auto& [name, value] : secrets) {
        if (std::find(names.begin(), names.end(), name) == names.end()) {
            out.unknown.push_back(name);
            continue;
        }
        if (has_environment(name)) out.replaced.push_back(name);
        out.taken.push_back(name);
        put_bytes(name, std::move(value));
    }
    return out;
}

bool SecretSource::has_environment(const std::string& name) const {
    if (taken_.contains(name)) return true;
    const char* value = std::getenv(name.c_str());
    return value != nullptr && *value != '\0';
}

void SecretSource::put(const std::string& name, crypto::SecretBuffer value) {
    taken_.insert_or_assign(name, std::move(value));
    bytes_.erase(name);
}

void SecretSource::put_bytes(const std::string& name, crypto::SecretBuffer value) {
    taken_.insert_or_assign(name, std::move(value));
    bytes_.insert(name);
}

void SecretSource::put_public(const std::string& name, std::string text) {
    public_.insert_or_assign(name, std::move(text));
}

Result<crypto::SecretBuffer> SecretSource::read(const SecretReference& reference) {
    if (reference.kind != SecretReference::Kind::Environment) {
        TRY(const auto path, path_of(reference));
        return read_secret_file(path);
    }
    const auto taken = taken_.find(reference.name);
    if (taken != taken_.end()) {
        crypto::SecretBuffer value = std::move(taken->second);
        taken_.erase(taken);
        return value;
    }
    auto value = crypto::take_environment_secret(reference.name);
    if (!value && value.error().code() == ErrorCode::NotFound) {
        return Error::not_found(
            "variable " + reference.name + " is not set, or was read before (once is the rule)");
    }
    return value;
}

Result<crypto::SecretBuffer> SecretSource::read_key_material(const SecretReference& reference) {
    TRY(auto raw, read(reference));
    if (reference.kind == SecretReference::Kind::Environment && bytes_.contains(reference.name)) {
        return raw;
    }
    auto bytes = reference.kind == SecretReference::Kind::Environment
                     ? crypto::environment_secret_bytes(std::move(raw))
                     : crypto::file_secret_bytes(std::move(raw));
    if (!bytes) return std::move(bytes).error().with_context(reference.to_string());
    return bytes;
}

Result<std::string> SecretSource::read_public_text(const SecretReference& reference) const {
    if (reference.kind == SecretReference::Kind::Environment) {
        const auto given = public_.find(reference.name);
        if (given != public_.end()) return given->second;
        const char* value = std::getenv(reference.name.c_str());  // main thread, as the header says
        if (value == nullptr || *value == '\0') {
            return Error::not_found("variable " + reference.name + " is not set");
        }
        return std::string(value);
    }
    TRY(const auto path, path_of(reference));
    std::size_t size = 0;
    TRY(const auto file, open_file(path, FileUse::Public, size));
    if (size > kPublicTextMax) {
        return Error::too_large("\"" + path + "\": is larger than 256 KiB");
    }
    std::string text(size, '\0');
    const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(text.data()), text.size());
    TRY(const std::size_t have, read_all(file, path, bytes));
    text.resize(have);
    return text;
}

Result<crypto::SecretBuffer> read_secret_file(const std::string& path) {
    std::size_t size = 0;
    TRY(const auto file, open_file(path, FileUse::Secret, size));
    if (size > crypto::SecretBuffer::kSizeMax) {
        return Error::too_large("\"" + path + "\": is larger than a secret may be (4096 bytes)");
    }
    TRY(auto secret, crypto::SecretBuffer::create(size));
    TRY(const std::size_t have, read_all(file, path, secret.expose_mutable()));
    if (have == 0) return Error::not_found("\"" + path + "\": is empty");
    secret.shrink(have);
    return secret;
}

Result<std::string> read_value_file(const std::string& path, std::size_t bytes_max) {
    std::size_t size = 0;
    TRY(const auto file, open_file(path, FileUse::Secret, size));
    if (size > bytes_max) {
        return Error::too_large("\"" + path + "\": is larger than a secret may be");
    }
    std::string text(size, '\0');
    const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(text.data()), text.size());
    const auto have = read_all(file, path, bytes);
    if (!have || *have == 0) {
        crypto::wipe(bytes);
        return have ? Error::not_found("\"" + path + "\": is empty") : have.error();
    }
    text.resize(*have);
    return text;
}

}  // namespace adyton::attest
