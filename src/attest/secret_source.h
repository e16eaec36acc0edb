#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/secret.h"

namespace adyton::attest {

// Where a secret (or another text that stays out of the configuration, such as a certificate) is
// to be found. The configuration holds only these, never a value.
struct SecretReference {
    enum class Kind {
        Environment,  // a variable, read once and wiped in place
        File,         // a path
        Credential,   // a systemd credential: a file of that name in $CREDENTIALS_DIRECTORY
    };
    Kind kind = Kind::File;
    std::string name;

    // "env:NAME", "file:PATH" or "credential:NAME". InvalidArgument otherwise, also for a variable
    // that is no identifier, an empty path and a credential name with a slash. The message never
    // repeats the text: it may be a secret put in the wrong place.
    static Result<SecretReference> parse(std::string_view text);
    std::string to_string() const;
    bool operator==(const SecretReference&) const = default;
};

// What a file must be besides regular and not a symbolic link (O_NOFOLLOW).
enum class FileUse {
    Secret,  // owned by this user or root; no permission for group or others
    Public,  // certificates: owned by this user or root; not writable by group or others
};

// Secrets of this process, by reference. Use it in `main`, before threads start: reading the
// environment changes it. Not thread safe.
class SecretSource {
public:
    SecretSource() = default;

    // Moves these variables out of the environment now, whether or not they will be asked for:
    // the bytes where /proc/self/environ shows them are zeroed. Absent ones are passed over.
    // TooLarge names the variable whose value passes SecretBuffer::kSizeMax (all are wiped).
    Result<void> take_environment(std::span<const std::string> names);

    // What became of MARBLE_SECRETS.
    struct InjectedSecrets {
        std::vector<std::string> taken;
        std::vector<std::string> replaced;  // of these, which a variable of that name held too
        std::vector<std::string> unknown;   // no secret of this program; dropped
    };
    // Moves the secrets of the variable MARBLE_SECRETS (marble_secrets.h) here as if each stood in
    // its own variable, but that their bytes count as they are. It goes before such variables, so
    // call it after take_environment(). Wiped in place whatever the outcome. Errors of
    // parse_marble_secrets.
    Result<InjectedSecrets> take_marble_secrets(std::span<const std::string> names);

    // Whether the variable was taken, or stands in the environment, and is not empty.
    bool has_environment(const std::string& name) const;

    // The bytes as they are. A variable can be read once.
    // NotFound: the variable, file or credential is absent or empty, or was read before.
    // PermissionDenied: the file's owner or mode is wrong, or it cannot be opened.
    // InvalidArgument: not a regular file; a credential without $CREDENTIALS_DIRECTORY.
    // TooLarge: over SecretBuffer::kSizeMax.
    // Every message names the reference and what to do, never a byte of the secret.
    Result<crypto::SecretBuffer> read(const SecretReference& reference);

    // Key material (decisions.md 14), by the rules of crypto/secret_text.h for the channel it came
    // by. Errors as read(), and InvalidArgument: malformed "hex:" text.
    Result<crypto::SecretBuffer> read_key_material(const SecretReference& reference);

    // Text that is no secret: certificates in PEM. At most 256 KiB; not wiped. Errors as read().
    // A variable can be read again and stays in the environment.
    Result<std::string> read_public_text(const SecretReference& reference) const;

    // What an activation brought (marble_activation.h): a secret as if it had stood in the variable
    // of that name, a public text likewise, and the Coordinator's root that vouched for them. A
    // value that is there already is replaced.
    void put(const std::string& name, crypto::SecretBuffer value);
    // Bytes, not text: read_key_material() takes them as they are.
    void put_bytes(const std::string& name, crypto::SecretBuffer value);
    void put_public(const std::string& name, std::string text);
    void set_coordinator_root(const crypto::Sha256Digest& root) { coordinator_root_ = root; }
    // Nothing when no Coordinator activated this process.
    const std::optional<crypto::Sha256Digest>& coordinator_root() const {
        return coordinator_root_;
    }
    // Asks anew for what may have been renewed, before certificates are read again: for processes
    // that a Coordinator activated. Without such a refresher it does nothing.
    void set_refresher(std::function<Result<void>(SecretSource&)> refresher) {
        refresher_ = std::move(refresher);
    }
    Result<void> refresh() { return refresher_ ? refresher_(*this) : Result<void>(); }

private:
    std::map<std::string, crypto::SecretBuffer> taken_;
    std::set<std::string> bytes_;  // which of them are no text
    std::map<std::string, std::string> public_;
    std::optional<crypto::Sha256Digest> coordinator_root_;
    std::function<Result<void>(SecretSource&)> refresher_;
};

// A file as a secret. Errors as SecretSource::read.
Result<crypto::SecretBuffer> read_secret_file(const std::string& path);

}  // namespace adyton::attest
