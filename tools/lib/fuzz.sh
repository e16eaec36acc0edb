# Fuzz targets, and the bounded sanitizer stage of CI.

# command_fuzz [--seconds N] [TARGET...]
command_fuzz() {
    local seconds=60
    if [[ ${1:-} == --seconds ]]; then
        seconds=${2:?fuzz: --seconds needs a number}
        shift 2
    fi
    ensure_packages build fuzz
    sanitizer_environment
    build_preset fuzz adyton_fuzzers
    local targets=("$@")
    ((${#targets[@]} > 0)) || mapfile -t targets < <(awk '{print $2}' build/fuzz/fuzzers.txt)
    local status=0
    run_fuzzers fuzz "$seconds" "${targets[@]}" || status=$?
    print_totals fuzz "$SUM_PASSED" "$SUM_FAILED" "$SUM_SKIPPED"
    return "$status"
}

# run_fuzzers PRESET SECONDS TARGET...: adds to the totals; non-zero when one found something.
run_fuzzers() {
    local preset=$1 seconds=$2 status=0 passed=0 failed=0
    shift 2
    (($# > 0)) || die "no fuzz targets"
    say "fuzzing $# targets, $seconds s each"
    python3 tools/fuzz.py --binaries "build/$preset/bin" --seconds "$seconds" \
        --totals "build/$preset/fuzz_totals" "$@" || status=$?
    read -r passed failed <"build/$preset/fuzz_totals"
    add_totals "$passed" "$failed" 0
    return "$status"
}

# modules_changed_first PRESET: the modules that have tests; those that the last commit or the work
# tree touched come first, the others in build order.
modules_changed_first() {
    local changed all=() one
    changed=$({ git diff --name-only HEAD~1 2>/dev/null || true; git ls-files --others src; } |
        sed -n 's#^src/\([a-z0-9_]*\)/.*#\1#p' | sort -u)
    mapfile -t all <"build/$1/test_modules.txt"
    for one in "${all[@]}"; do grep -qx "$one" <<<"$changed" && echo "$one"; done
    for one in "${all[@]}"; do grep -qx "$one" <<<"$changed" || echo "$one"; done
}

# command_sanitize --budget SECONDS [--fuzz-seconds N]: one clang build with address and undefined
# behaviour sanitizers and the fuzzer's instrumentation; module tests for 60% of the budget, fuzz
# targets for the rest. What the time does not reach is NOT RUN and counted as skipped. The same
# without a limit: tools/dev asan, tsan, fuzz.
command_sanitize() {
    local budget=720 fuzz_seconds=15
    while (($# > 0)); do
        case $1 in
            --budget) budget=${2:?sanitize: --budget needs seconds} ;;
            --fuzz-seconds) fuzz_seconds=${2:?sanitize: --fuzz-seconds needs seconds} ;;
            *) die "sanitize: unknown argument $1" ;;
        esac
        shift 2
    done
    ensure_packages build fuzz
    sanitizer_environment
    local end=$((SECONDS + budget)) tests_end=$((SECONDS + budget * 6 / 10)) status=0
    configure_preset sanitize
    start_postgres
    sanitize_tests "$tests_end" || status=1
    sanitize_fuzz "$end" "$fuzz_seconds" || status=1
    print_totals sanitize "$SUM_PASSED" "$SUM_FAILED" "$SUM_SKIPPED"
    return "$status"
}

sanitize_tests() {
    local end=$1 module passed=0 failed=0 skipped=0 result
    local modules=()
    mapfile -t modules < <(modules_changed_first sanitize)
    for module in "${modules[@]}"; do
        result=0
        sanitize_one_module "$module" $((end - SECONDS)) || result=$?
        if ((result == 124)); then
            say_not_run "$module under sanitizers: the time budget is used up"
            skipped=$((skipped + 1))
            continue
        fi
        local p=0 f=0 s=0 report=build/sanitize/ctest_$module.xml
        [[ -f $report ]] && read -r p f s < <(python3 tools/totals.py "$report")
        ((result == 0 || f > 0)) || f=1
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    done
    add_totals "$passed" "$failed" "$skipped"
    ((failed == 0))
}

# 124: no time left. Other non-zero: did not build, or a test failed.
sanitize_one_module() {
    local module=$1 seconds=$2
    ((seconds > 10)) || return 124
    local report=$ADYTON_ROOT/build/sanitize/ctest_$module.xml began=$SECONDS
    rm -f "$report"
    say "sanitizers: $module"
    local log=$ADYTON_ROOT/build/sanitize/build_$module.log result=0
    timeout "$seconds" ninja -C build/sanitize -j "$(jobs_wanted)" --quiet "${module}_tests" \
        >"$log" 2>&1 || result=$?
    cat "$log"
    if ((result != 0)); then
        ((result == 124)) || record_failure "$module does not build with the sanitizers" "$log"
        return "$result"
    fi
    seconds=$((seconds - SECONDS + began))
    ((seconds > 5)) || return 124
    timeout "$seconds" ctest --test-dir build/sanitize --output-on-failure --no-tests=error \
        -j "$(nproc)" --output-junit "$report" -L "^$module\$" --progress </dev/null
}

# Built one by one until half of what is left is used, then all of those fuzzed at once.
sanitize_fuzz() {
    local end=$1 seconds=$2 module target status=0 skipped=0 ready=()
    local reserve=$(((end - SECONDS) / 2)) left log=$ADYTON_ROOT/build/sanitize/build_fuzz.log
    while read -r module target; do
        left=$((end - reserve - SECONDS))
        if ((left > 10)) && timeout "$left" \
            ninja -C build/sanitize -j "$(jobs_wanted)" --quiet "$target" >"$log" 2>&1; then
            ready+=("$target")
        elif ((end - reserve - SECONDS > 10)); then
            cat "$log"
            say_error "fuzz target $target does not build"
            record_failure "fuzz target $target does not build" "$log"
            add_totals 0 1 0
            status=1
        else
            say_not_run "fuzz target $target: the time budget is used up"
            skipped=$((skipped + 1))
        fi
    done <build/sanitize/fuzzers.txt
    add_totals 0 0 "$skipped"
    ((${#ready[@]} > 0)) || return "$status"
    # All of them get the same time, cut so that they fit into what is left.
    local rounds=$(((${#ready[@]} + $(nproc) - 1) / $(nproc))) fits
    fits=$(((end - SECONDS) / rounds - 2))
    ((fits < seconds)) && seconds=$((fits > 2 ? fits : 2))
    run_fuzzers sanitize "$seconds" "${ready[@]}" || status=1
    return "$status"
}
