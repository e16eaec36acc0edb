#include "apps/development_coordinator.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "apps/development_key.h"
#include "apps/keystore_connection.h"
#include "apps/workflow_connection.h"

namespace adyton::apps {
namespace {

// Written anew at each start: the network's keys may have changed.
Result<void> write_private(const std::string& path, base::ByteView bytes) {
    const int fd = ::open(
        path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    const bool good = fd >= 0 && ::fchmod(fd, S_IRUSR | S_IWUSR) == 0 &&
                      ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    const int problem = errno;
    if (fd >= 0) ::close(fd);
    if (good) return {};
    return Error::unavailable("cannot write " + path + ": " + std::strerror(problem));
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> development_coordinator_settings(
    const DevelopmentCoordinatorPlace& place, const LocalNear& near) {
    TRY_VOID(create_directory(place.directory));
    const localchain::NearNames& names = near.names();
    const std::string at = place.directory + "/";
    const auto relayer = near.secret_key(names.relayer);
    const auto approver = near.secret_key(names.approver);
    TRY_VOID(write_private(at + "relayer.key", relayer.expose()));
    TRY_VOID(write_private(at + "approver.key", approver.expose()));
    TRY_VOID(write_private(at + "internal.token", base::as_bytes(kDevelopmentInternalToken)));
    TRY_VOID(write_private(at + "keystore.token", base::as_bytes(kDevelopmentCoordinatorToken)));
    return std::vector<std::pair<std::string, std::string>>{
        {"data_dir", place.directory},
        {"listen", place.listen},
        {"metrics.listen", ""},
        {"identity.mode", "development"},
        {"near.rpc_urls", near.url()},
        {"near.network", kLocalNearChainId},
        {"near.intents_contract", names.intents},
        {"near.wrap_contract", names.wrap},
        {"coordinator.gates", names.gate},
        {"coordinator.gate_calls_max", "12"},
        {"coordinator.enable_funding_lane", "true"},
        {"coordinator.enable_direct_user_lane", "true"},
        {"coordinator.keystore_url", place.keystore_url},
        {"coordinator.keystore_token", "file:" + at + "keystore.token"},
        {"coordinator.internal_token", "file:" + at + "internal.token"},
        {"coordinator.relayer_account", names.relayer},
        {"coordinator.relayer_key", "file:" + at + "relayer.key"},
        {"coordinator.approver_account", names.approver},
        {"coordinator.approver_key", "file:" + at + "approver.key"}};
}

}  // namespace adyton::apps
