# Running ctest, with totals.

# run_ctest PRESET STAGE [CTEST-ARGUMENTS]: PostgreSQL, ctest, totals. Zero tests is a failure.
run_ctest() {
    local preset=$1 stage=$2 status=0 report
    shift 2
    report=$ADYTON_ROOT/build/$preset/ctest_$stage.xml
    rm -f "$report"
    start_postgres
    say "tests ($preset)"
    ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" \
        --output-junit "$report" "$@" </dev/null || status=$?
    local passed=0 failed=0 skipped=0
    if [[ -f $report ]]; then
        read -r passed failed skipped < <(python3 tools/totals.py "$report")
    fi
    # ctest failed but no test did (a bad argument, no tests): still a failure to see in the totals.
    ((status == 0 || failed > 0)) || failed=1
    if ((passed + failed == 0)); then
        say_error "no test ran"
        status=1
    fi
    print_totals "$stage" "$passed" "$failed" "$skipped"
    return "$status"
}

command_test() {
    ensure_packages build
    build_preset release
    run_ctest release test "$@"
}

# The script module's tests with the other memory guard: masked accesses, as an enclave without guard
# pages needs them. The ordinary build has one form; this one compiles the engine once more.
command_masked() {
    ensure_packages build
    build_preset release script_masked_test
    say "tests of the masked engine"
    local report=$ADYTON_ROOT/build/release/masked.xml log=$ADYTON_ROOT/build/release/masked.log status=0
    rm -f "$report"
    build/release/bin/script_masked_test --gtest_brief=1 --gtest_output="xml:$report" "$@" \
        </dev/null >"$log" 2>&1 || status=$?
    cat "$log"
    local passed=0 failed=0 skipped=0
    [[ -f $report ]] && read -r passed failed skipped < <(python3 tools/totals.py "$report")
    if ((status != 0 && failed == 0)); then # it died
        failed=1
        record_failure "script_masked_test" "$log"
    fi
    print_totals masked "$passed" "$failed" "$skipped"
    return "$status"
}

# command_sim [--seeds N] [--first SEED] [ctest arguments]: the simulated tests, with N random worlds.
command_sim() {
    local rest=()
    while (($# > 0)); do
        case $1 in
            --seeds)
                export ADYTON_SIM_SEEDS=${2:?sim: --seeds needs a number}
                shift 2
                ;;
            --first)
                export ADYTON_SIM_FIRST_SEED=${2:?sim: --first needs a seed}
                shift 2
                ;;
            *)
                rest+=("$1")
                shift
                ;;
        esac
    done
    ensure_packages build
    build_preset release
    if [[ -n ${ADYTON_SIM_SEEDS:-} ]]; then # as long as it takes
        build/release/bin/sim_test --gtest_filter='*RandomWorldsTest.KeepTheirBooks/Part0'
        return
    fi
    # Tests of the module sim (the whole suite in one process), and the simulated ones of the others.
    run_ctest release sim -R 'Simulat|CrashTest|RandomWorldsTest|BugsTest|PlantedBugTest|WorkflowTest' "${rest[@]}"
}

# What the sanitizers are told. Leaks are checked: LeakSanitizer needs ptrace, which some containers
# forbid; it says so itself.
sanitizer_environment() {
    export ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1"
    export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
    export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1"
    ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer-14) && export ASAN_SYMBOLIZER_PATH
    return 0
}

command_sanitizer() {
    local preset=$1
    shift
    ensure_packages build
    sanitizer_environment
    build_preset "$preset"
    run_ctest "$preset" "$preset" -LE '^lint$' "$@"
}
