# Messages, totals and small helpers. Sourced by tools/dev; stdout is for results, the rest is said
# on stderr.

if [[ -t 2 ]]; then
    readonly STYLE_HEAD=$'\e[1m' STYLE_BAD=$'\e[31m' STYLE_OFF=$'\e[0m'
else
    readonly STYLE_HEAD='' STYLE_BAD='' STYLE_OFF=''
fi

say() { printf '%s== %s%s\n' "$STYLE_HEAD" "$*" "$STYLE_OFF" >&2; }
say_error() { printf '%serror: %s%s\n' "$STYLE_BAD" "$*" "$STYLE_OFF" >&2; }
die() {
    say_error "$@"
    exit 1
}

# Something that cannot run here: said, and counted as skipped by the caller. Never as passed.
say_not_run() { printf 'NOT RUN: %s\n' "$*"; }

# jobs: how many compilers at once; each is given 1.2 GB, so that a small machine does not swap.
jobs_wanted() {
    local cores memory_kb by_memory
    cores=$(nproc)
    memory_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
    by_memory=$((memory_kb / 1200000))
    ((by_memory < 1)) && by_memory=1
    echo $((cores < by_memory ? cores : by_memory))
}

# print_totals STAGE PASSED FAILED SKIPPED: the last line of every testing command, and one line in
# ADYTON_TOTALS_FILE for .ci/run to add up.
print_totals() {
    if [[ -n ${ADYTON_TOTALS_FILE:-} ]]; then
        printf '%s %d %d %d\n' "$1" "$2" "$3" "$4" >>"$ADYTON_TOTALS_FILE"
    fi
    printf '%d passed, %d failed, %d skipped\n' "$2" "$3" "$4"
}

# add_totals PASSED FAILED SKIPPED: for commands of several parts, which print_totals the sum.
SUM_PASSED=0 SUM_FAILED=0 SUM_SKIPPED=0
add_totals() {
    SUM_PASSED=$((SUM_PASSED + $1)) SUM_FAILED=$((SUM_FAILED + $2)) SUM_SKIPPED=$((SUM_SKIPPED + $3))
}

# record_failure NAME FILE: the end of FILE, for .ci/run to show once more at its end.
record_failure() {
    [[ -n ${ADYTON_FAILURES_FILE:-} ]] || return 0
    { printf -- '-- %s\n' "$1"; tail -n 40 "$2"; } >>"$ADYTON_FAILURES_FILE"
}

# Commands that run when tools/dev ends, however it ends; last registered first.
EXIT_COMMANDS=()
on_exit() { EXIT_COMMANDS=("$(printf '%q ' "$@")" "${EXIT_COMMANDS[@]}"); }
run_exit_commands() {
    local status=$? one
    trap - EXIT
    for one in "${EXIT_COMMANDS[@]}"; do
        eval "$one" || true
    done
    exit "$status"
}
trap run_exit_commands EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# free_port_base COUNT: a port N such that N .. N+COUNT-1 are free on loopback now.
free_port_base() {
    python3 - "$1" <<'PYTHON'
import random, socket, sys

count = int(sys.argv[1])
for _ in range(200):
    base = random.randrange(20000, 32000 - count)  # below the kernel's ephemeral range
    held = []
    try:
        for port in range(base, base + count):
            held.append(socket.socket())
            held[-1].bind(("127.0.0.1", port))
    except OSError:
        continue
    finally:
        for one in held:
            one.close()
    print(base)
    sys.exit(0)
sys.exit("no %d free ports in a row" % count)
PYTHON
}
