# What programs that are not ours say about a running Adyton.

command_interop() {
    ensure_packages build interop
    build_preset release bin/adyton bin/near_peer
    local data status=0
    data=$(mktemp -d "$ADYTON_ROOT/build/interop_data.XXXXXX")
    on_exit rm -rf "$data"
    start_adyton_dev "$(free_port_base 8)" "$data"
    tests/interop/run || status=$?
    local passed=0 failed=0 skipped=0
    if [[ -f build/interop/totals ]]; then
        read -r passed failed skipped <build/interop/totals
    fi
    ((status == 0 || failed > 0)) || failed=1
    if ((status != 0)); then
        say "the end of Adyton's log:"
        tail -n 20 "$ADYTON_LOG" >&2
    fi
    print_totals interop "$passed" "$failed" "$skipped"
    return "$status"
}
