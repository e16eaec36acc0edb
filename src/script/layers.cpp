#include "script/layers.h"

namespace adyton::script {

std::string_view to_string(Layer layer) {
    switch (layer) {
        case Layer::GuardPages:
            return "guard_pages";
        case Layer::MaskedMemory:
            return "masked_memory";
        case Layer::StackBound:
            return "stack_bound";
        case Layer::OwnProcess:
            return "own_process";
        case Layer::OwnUserProcess:
            return "own_user_process";
        case Layer::OwnJobProcess:
            return "own_job_process";
        case Layer::NoNewPrivileges:
            return "no_new_privileges";
        case Layer::Seccomp:
            return "seccomp";
        case Layer::ResourceLimits:
            return "resource_limits";
        case Layer::DroppedUser:
            return "dropped_user";
        case Layer::NoCapabilities:
            return "no_capabilities";
        case Layer::NotDumpable:
            return "not_dumpable";
        case Layer::OneDescriptor:
            return "one_descriptor";
        case Layer::PidNamespace:
            return "pid_namespace";
        case Layer::MountNamespace:
            return "mount_namespace";
        case Layer::NetworkNamespace:
            return "network_namespace";
        case Layer::IpcNamespace:
            return "ipc_namespace";
        case Layer::UtsNamespace:
            return "uts_namespace";
        case Layer::UserNamespace:
            return "user_namespace";
        case Layer::ControlGroup:
            return "control_group";
    }
    return "unknown";
}

std::vector<std::string_view> Layers::names() const {
    std::vector<std::string_view> out;
    for (unsigned bit = 0; bit < kLayerCount; ++bit) {
        const auto layer = static_cast<Layer>(1U << bit);
        if (has(layer)) out.push_back(script::to_string(layer));
    }
    return out;
}

std::string Layers::to_string() const {
    std::string out;
    for (const std::string_view name : names()) {
        if (!out.empty()) out += ',';
        out += name;
    }
    return out;
}

}  // namespace adyton::script
