# Debian packages: what each job needs, and installing what is missing.

# The build, the tests and `tools/dev up`.
readonly PACKAGES_BUILD=(
    g++ cmake ninja-build ccache pkg-config git ca-certificates
    libnghttp2-dev libssl-dev libsodium-dev libsqlite3-dev libpq-dev rapidjson-dev libfmt-dev libspdlog-dev libcli11-dev
    prometheus-cpp-dev libtomlplusplus-dev libboost1.81-dev libmimalloc-dev libgtest-dev libgmock-dev
    postgresql-15 openssl curl jq python3 util-linux
    wabt libseccomp-dev
)
readonly PACKAGES_LINT=(clang-14 clang-tidy-14 clang-format-14 shellcheck)
readonly PACKAGES_FUZZ=(clang-14 libclang-rt-14-dev llvm-14)
# npm brings the JavaScript engine (src/script/engine) and the interop peers. Asked for only when
# there is none: others' packages of Node.js exclude Debian's.
readonly PACKAGES_INTEROP=(python3 python3-venv)
readonly PACKAGES_NODE=(nodejs npm)
# Only to fetch the Go toolchain that builds neo-go, when no go is there.
readonly PACKAGES_GO=(golang-go)

# packages_of GROUP: the group's package names, one a line.
packages_of() {
    case $1 in
        build)
            printf '%s\n' "${PACKAGES_BUILD[@]}"
            command -v npm >/dev/null || printf '%s\n' "${PACKAGES_NODE[@]}"
            ;;
        lint) printf '%s\n' "${PACKAGES_LINT[@]}" ;;
        fuzz) printf '%s\n' "${PACKAGES_FUZZ[@]}" ;;
        interop)
            printf '%s\n' "${PACKAGES_INTEROP[@]}"
            command -v npm >/dev/null || printf '%s\n' "${PACKAGES_NODE[@]}"
            command -v go >/dev/null || printf '%s\n' "${PACKAGES_GO[@]}"
            ;;
        *) die "unknown package group: $1 (groups: build lint fuzz interop)" ;;
    esac
}

# packages_missing NAME...: those that are not installed.
packages_missing() {
    local installed
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        awk '$1 == "installed" {print $2}' || true)
    comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u <<<"$installed")
}

# ensure_packages GROUP...: returns at once when nothing is missing.
ensure_packages() {
    local group wanted=() missing=()
    for group in "$@"; do
        mapfile -t -O "${#wanted[@]}" wanted < <(packages_of "$group")
    done
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system; these Debian 12 packages are expected: ${wanted[*]}"
        return 0
    fi
    mapfile -t missing < <(packages_missing "${wanted[@]}")
    ((${#missing[@]} == 0)) && return 0
    install_packages "${missing[@]}"
}

install_packages() {
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; } || die \
            "packages are missing and this is not root. Run as root, then try again:
    apt-get update && apt-get install --yes --no-install-recommends $*"
        as_root=(sudo)
    fi
    say "installing: $*"
    local log
    log=$(mktemp "${TMPDIR:-/tmp}/adyton-apt.XXXXXX")
    if ! { "${as_root[@]}" apt-get update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install --yes --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
        tail -n 40 "$log" >&2
        die "apt-get failed; its whole output is in $log"
    fi
    rm -f "$log"
}

command_install_deps() {
    (($# == 0)) && set -- build
    ensure_packages "$@"
    say "packages present: $*"
}
