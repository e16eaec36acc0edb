# A throwaway PostgreSQL: own cluster, loopback only, random port and password, removed afterwards.

readonly POSTGRES_BIN=/usr/lib/postgresql/15/bin
POSTGRES_DIRECTORY=''
POSTGRES_PID=''
POSTGRES_RUN=()

# start_postgres: sets and exports ADYTON_TEST_POSTGRES_URL; stops by itself when tools/dev ends, even
# when that is killed. A URL that is already set is used as it is.
start_postgres() {
    if [[ -n ${ADYTON_TEST_POSTGRES_URL:-} ]]; then
        say "PostgreSQL: ADYTON_TEST_POSTGRES_URL is set; using that server"
        return 0
    fi
    # Not under build/: the server's user must reach it, and a socket path has room for 107 bytes.
    POSTGRES_DIRECTORY=$(mktemp -d "${TMPDIR:-/tmp}/adyton-postgres.XXXXXX")
    on_exit stop_postgres
    POSTGRES_RUN=(setpriv --pdeathsig INT)
    if ((EUID == 0)); then # PostgreSQL refuses to run as root
        chown postgres: "$POSTGRES_DIRECTORY"
        POSTGRES_RUN=(setpriv --reuid postgres --regid postgres --init-groups --pdeathsig INT)
    fi
    local password attempt
    password=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
    postgres_initdb "$password"
    for attempt in 1 2 3; do
        if postgres_launch "$(free_port_base 1)" "$password"; then
            say "PostgreSQL $("$POSTGRES_BIN/postgres" --version | awk '{print $3}') is up"
            return 0
        fi
        say "PostgreSQL did not start (attempt $attempt)"
    done
    cat "$POSTGRES_DIRECTORY/log" >&2
    die "PostgreSQL did not start"
}

postgres_initdb() {
    local password_file=$POSTGRES_DIRECTORY/password
    (umask 077 && printf '%s\n' "$1" >"$password_file")
    ((EUID == 0)) && chown postgres: "$password_file"
    if ! "${POSTGRES_RUN[@]}" "$POSTGRES_BIN/initdb" --pgdata="$POSTGRES_DIRECTORY/data" \
        --username=adyton --pwfile="$password_file" --auth=scram-sha-256 --encoding=UTF8 \
        --locale=C.UTF-8 >"$POSTGRES_DIRECTORY/initdb.log" 2>&1 </dev/null; then
        cat "$POSTGRES_DIRECTORY/initdb.log" >&2
        die "initdb failed"
    fi
    rm -f "$password_file"
}

# postgres_launch PORT PASSWORD. Durability stays at its default, because the tests are about it.
postgres_launch() {
    "${POSTGRES_RUN[@]}" "$POSTGRES_BIN/postgres" -D "$POSTGRES_DIRECTORY/data" \
        -c listen_addresses=127.0.0.1 -c port="$1" \
        -c unix_socket_directories="$POSTGRES_DIRECTORY" \
        -c max_connections=200 -c shared_buffers=64MB -c max_wal_size=256MB \
        >"$POSTGRES_DIRECTORY/log" 2>&1 </dev/null &
    POSTGRES_PID=$!
    local url="postgres://adyton:$2@127.0.0.1:$1/postgres" waited
    for ((waited = 0; waited < 300; waited++)); do
        kill -0 "$POSTGRES_PID" 2>/dev/null || break
        if "$POSTGRES_BIN/psql" --no-psqlrc --quiet "$url" \
            --command='CREATE DATABASE adyton' >/dev/null 2>&1; then
            export ADYTON_TEST_POSTGRES_URL="postgres://adyton:$2@127.0.0.1:$1/adyton"
            return 0
        fi
        sleep 0.1
    done
    stop_postgres_process
    return 1
}

stop_postgres_process() {
    [[ -n $POSTGRES_PID ]] || return 0
    kill -INT "$POSTGRES_PID" 2>/dev/null || true # fast shutdown
    wait "$POSTGRES_PID" 2>/dev/null || true
    POSTGRES_PID=''
}

stop_postgres() {
    stop_postgres_process
    rm -rf "$POSTGRES_DIRECTORY"
}

command_with_postgres() {
    (($# > 0)) || die "with-postgres: name a command"
    ensure_packages build
    start_postgres
    "$@"
}
