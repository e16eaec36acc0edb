# Configure and build one preset; formatting and lint live here too, because they read the build.

# Objects do not depend on where the checkout lies, so that a second clone finds the first one's.
export CCACHE_BASEDIR=$ADYTON_ROOT CCACHE_NOHASHDIR=true

# build_preset PRESET [TARGET...]
build_preset() {
    local preset=$1 directory=build/$1
    shift
    configure_preset "$preset"
    say "building $preset${*:+ ($*)}"
    # A ninja edge prints only when it fails or warns; progress is for a terminal.
    local quiet=()
    [[ -t 1 ]] || quiet=(--quiet)
    ninja -C "$directory" -j "$(jobs_wanted)" "${quiet[@]}" "$@"
}

configure_preset() {
    local log
    log=$(mktemp "${TMPDIR:-/tmp}/adyton-cmake.XXXXXX")
    say "configuring $1"
    if ! cmake --preset "$1" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "cmake --preset $1 failed"
    fi
    rm -f "$log"
}

# The packages that a preset's compiler and runtimes need.
packages_for_preset() {
    case $1 in
        clang | fuzz | sanitize) echo build fuzz ;;
        *) echo build ;;
    esac
}

command_build() {
    local preset=${1:-release}
    (($# > 0)) && shift
    # shellcheck disable=SC2046
    ensure_packages $(packages_for_preset "$preset")
    build_preset "$preset" "$@"
    say "built into build/$preset"
}

command_clean() {
    local preset
    if (($# == 0)); then
        rm -rf build
        return
    fi
    for preset in "$@"; do
        [[ $preset =~ ^[a-z_0-9]+$ ]] || die "not a preset: $preset"
        rm -rf "build/$preset"
    done
}

# The C++ sources: what git knows and what is new but not ignored.
cpp_files() {
    git ls-files --cached --others --exclude-standard -- 'src/*.h' 'src/*.cpp' 'tests/*.h' \
        'tests/*.cpp' | while read -r file; do
        [[ -f $file ]] && printf '%s\n' "$file"
    done
}

command_format() {
    local mode=(-i) files=()
    if [[ ${1:-} == --check ]]; then
        mode=(--dry-run --Werror)
        shift
    fi
    ensure_packages lint
    if (($# > 0)); then files=("$@"); else mapfile -t files < <(cpp_files); fi
    ((${#files[@]} == 0)) && return 0
    printf '%s\0' "${files[@]}" | xargs -0 -n 20 -P "$(nproc)" clang-format-14 "${mode[@]}"
}

command_lint() {
    local all='' fast=''
    while (($# > 0)); do
        case $1 in
            --all) all=--all ;;
            --fast) fast=yes ;;
            *) die "lint: unknown argument $1 (known: --all --fast)" ;;
        esac
        shift
    done
    if [[ -n $fast ]]; then
        python3 tools/lint.py
        return
    fi
    ensure_packages build lint fuzz
    local failed=0
    say "rules"
    python3 tools/lint.py || failed=1
    say "format"
    command_format --check || failed=1
    say "shell scripts"
    shellcheck --severity=warning --shell=bash tools/dev tools/lib/*.sh tests/interop/run .ci/run ||
        failed=1
    build_preset clang all_verify_interface_header_sets || failed=1
    say "clang-tidy"
    python3 tools/tidy.py --build build/clang $all || failed=1
    ((failed == 0)) || die "lint found problems"
    say "lint is clean"
}

command_check() {
    local failed=()
    check_step() {
        local name=$1
        shift
        say "check: $name"
        # A process of its own: one failing part does not hide the next.
        "$ADYTON_ROOT/tools/dev" "$@" || failed+=("$name")
    }
    check_step lint lint --all
    check_step test test
    check_step clang build clang
    check_step asan asan
    check_step tsan tsan
    check_step fuzz fuzz --seconds 60
    check_step interop interop
    ((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
    say "everything passed"
}
