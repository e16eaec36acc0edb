# `tools/dev up` and `tools/dev bench`.

# demo_up [--once] [--port-base N]
demo_up() {
    local once='' port_base=''
    while (($# > 0)); do
        case $1 in
            --once) once=yes ;;
            --port-base)
                port_base=${2:?up: --port-base needs a number}
                shift
                ;;
            *) die "up: unknown argument $1 (known: --once --port-base N)" ;;
        esac
        shift
    done
    ensure_packages build
    build_preset release bin/adyton
    local data=build/dev-data
    if [[ -n $once ]]; then
        data=$(mktemp -d "$ADYTON_ROOT/build/once.XXXXXX")
        on_exit rm -rf "$data"
        port_base=${port_base:-$(free_port_base 8)}
    fi
    start_adyton_dev "$port_base" "$data"
    python3 tests/e2e/main_job.py --base-url "$ADYTON_POOL_URL" --neo-rpc "$ADYTON_NEO_RPC_URL"
    python3 tests/e2e/compute_job.py --base-url "$ADYTON_COMPUTE_URL"
    python3 tests/e2e/workflow_job.py --coordinator "$ADYTON_COORDINATOR_URL" \
        --keystore "$ADYTON_KEYSTORE_URL" --near-rpc "$ADYTON_NEAR_RPC_URL"
    [[ -n $once ]] && return 0
    cat <<TEXT

Adyton is up. Pool: $ADYTON_POOL_URL  metrics: $ADYTON_METRICS_URL  data: $data  log: $ADYTON_LOG
  compute: $ADYTON_COMPUTE_URL
  simulated Neo chain: $ADYTON_NEO_RPC_URL  simulated NEAR chain: $ADYTON_NEAR_RPC_URL
  build/release/bin/adyton pool info --url $ADYTON_POOL_URL
  curl -s $ADYTON_POOL_URL/openapi.json | jq .
Ctrl-C stops it.
TEXT
    wait "$ADYTON_PID"
}

# start_adyton_dev PORT_BASE DATA_DIRECTORY: starts it, waits until it is ready, exports where it is.
# Ports: PORT_BASE and up; the program's own when that is empty. Stopped when tools/dev ends.
start_adyton_dev() {
    local port_base=$1 data=$2 waited pool_port=8085 compute_port=8086 metrics_port=9464
    local neo_port=50012 near_port=3030 coordinator_port=8080 keystore_port=8087
    local arguments=(dev --data-dir "$data")
    if [[ -n $port_base ]]; then
        arguments+=(--port-base "$port_base")
        coordinator_port=$port_base keystore_port=$((port_base + 3))
        pool_port=$((port_base + 1)) compute_port=$((port_base + 2))
        metrics_port=$((port_base + 4)) neo_port=$((port_base + 5)) near_port=$((port_base + 6))
    fi
    mkdir -p "$data"
    ADYTON_LOG=$data/console.log
    export ADYTON_POOL_URL=http://127.0.0.1:$pool_port
    export ADYTON_COMPUTE_URL=http://127.0.0.1:$compute_port
    export ADYTON_COORDINATOR_URL=http://127.0.0.1:$coordinator_port
    export ADYTON_KEYSTORE_URL=http://127.0.0.1:$keystore_port
    export ADYTON_NEO_RPC_URL=http://127.0.0.1:$neo_port
    export ADYTON_NEAR_RPC_URL=http://127.0.0.1:$near_port
    export ADYTON_METRICS_URL=http://127.0.0.1:$metrics_port
    say "adyton ${arguments[*]}"
    build/release/bin/adyton "${arguments[@]}" >"$ADYTON_LOG" 2>&1 </dev/null &
    ADYTON_PID=$!
    on_exit stop_adyton_dev
    for ((waited = 0; waited < 600; waited++)); do
        if ! kill -0 "$ADYTON_PID" 2>/dev/null; then
            tail -n 30 "$ADYTON_LOG" >&2
            die "adyton dev ended; what it said is in $ADYTON_LOG (ports taken? try --port-base)"
        fi
        curl --silent --fail --max-time 2 --output /dev/null "$ADYTON_POOL_URL/ready" && return 0
        sleep 0.1
    done
    tail -n 30 "$ADYTON_LOG" >&2
    die "adyton dev is not ready after 60 s"
}

stop_adyton_dev() {
    kill -TERM "$ADYTON_PID" 2>/dev/null || true
    wait "$ADYTON_PID" 2>/dev/null || true
}

demo_bench() {
    (($# == 0)) && set -- pool
    ensure_packages build
    build_preset release bin/adyton
    [[ $1 != all ]] && exec build/release/bin/adyton bench "$@"
    shift
    local name
    for name in pool keystore transfer compute coordinator; do
        say "adyton bench $name"
        build/release/bin/adyton bench "$name" --json "$@"
    done
}
