#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "crypto/secret.h"
#include "service/config.h"
#include "service/internal/setting_value.h"
#include "service/internal/toml.h"

namespace adyton::service {
namespace {

// What is to be done with a variable.
enum class Treatment { Ignore, Copy, CopyAndWipe, NoteOnly };

std::map<std::string, Treatment> treatments(
    Schema schema, std::span<const std::string_view> others) {
    std::map<std::string, Treatment> out;
    for (const std::string_view name : others) out.emplace(std::string(name), Treatment::Copy);
    for (const Setting& setting : schema) {
        const bool reference =
            setting.kind == SettingKind::Secret || setting.kind == SettingKind::Source;
        const Treatment treatment = setting.kind == SettingKind::Secret ? Treatment::NoteOnly
                                    : setting.redact_password           ? Treatment::CopyAndWipe
                                                                        : Treatment::Copy;
        for (const std::string& name : variables_of(setting)) {
            out.insert_or_assign(name, treatment);
            if (reference) out.emplace(name + "_FILE", Treatment::Copy);
        }
        if (!setting.port_variable.empty()) {
            out.emplace(std::string(setting.port_variable), Treatment::Copy);
        }
    }
    return out;
}

void take_variable(char* entry, std::string_view name, Treatment treatment, ConfigInputs& inputs) {
    char* const value = entry + name.size() + 1;
    if (*value == '\0' || treatment == Treatment::Ignore) return;
    if (treatment == Treatment::NoteOnly) {
        inputs.secret_variables.emplace(name);
        return;
    }
    inputs.environment.insert_or_assign(std::string(name), std::string(value));
    if (treatment == Treatment::CopyAndWipe && internal::has_password(value)) {
        crypto::wipe({reinterpret_cast<std::uint8_t*>(value), std::strlen(value)});
    }
}

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

void read_environment(
    Schema schema, std::span<const std::string_view> others, ConfigInputs& inputs) {
    const auto known = treatments(schema, others);
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        const std::string name(text.substr(0, equals));
        const auto found = known.find(name);
        const Treatment unknown = name.starts_with("ADYTON_") ? Treatment::Copy : Treatment::Ignore;
        take_variable(*entry, name, found == known.end() ? unknown : found->second, inputs);
    }
}

std::vector<std::string> secret_variable_names(Schema schema) {
    std::vector<std::string> names;
    for (const Setting& setting : schema) {
        if (setting.kind != SettingKind::Secret) continue;
        for (std::string& name : variables_of(setting)) names.push_back(std::move(name));
    }
    return names;
}

Result<void> read_config_file(const std::string& path, ConfigInputs& inputs) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        const std::string what = "\"" + path + "\": " + std::strerror(errno);
        return errno == ENOENT ? Error::not_found(what) : Error::permission_denied(what);
    }
    const std::unique_ptr<std::FILE, Close> file(::fdopen(fd, "rb"));
    CHECK(file);
    struct stat status {};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        return Error::invalid_argument("\"" + path + "\": is not a regular file");
    }
    if (static_cast<std::size_t>(status.st_size) > internal::kTomlBytesMax) {
        return Error::too_large("\"" + path + "\": is larger than 1 MiB");
    }
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    inputs.file_name = path;
    inputs.file_text = std::move(text);
    return {};
}

}  // namespace adyton::service
