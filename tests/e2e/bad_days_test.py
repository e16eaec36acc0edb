#!/usr/bin/env python3
"""Bad days on SQLite: killed under load, a full disk, files taken away, a signal to stop."""

import http.client
import os
import random
import shutil
import socket
import subprocess
import threading
import time

from harness import (BINARY, MASTER_KEY, Client, Crowd, Ledger, NotRun, audit_export,
                     audit_records, check, digest_of, main, scenario, wait_until, work_on)

SERVICES = ["neocompute", "neooracle", "neofeeds", "neoflow"]


def check_everything(world, port, ledger):
    for service in SERVICES:
        listed = {one["id"] for one in Client(port, service).get("/accounts").json["accounts"]}
        check(listed == ledger.held_by(service), service, "holds", len(listed), "accounts, not",
              len(ledger.held_by(service)))
    export = audit_export(Client(port))
    world.verify_audit(export)
    ledger.check_audit(export)


@scenario
def KilledUnderLoadItLosesNothing(world):
    """kill -9 again and again: no lost lock, no account with two owners, no audit gap."""
    server = world.pool(settings=["log.access=errors"])
    ledger = Ledger()
    crowd = Crowd(8, lambda index, stopping: work_on(
        ledger, [server.port], SERVICES[index % len(SERVICES)], stopping))
    for _ in range(5):
        time.sleep(random.uniform(0.5, 1.5))
        server.kill()
        server.start().wait_ready()
    time.sleep(0.5)
    crowd.stop()
    check(len(ledger.requests) > 20 and len(ledger.signatures) > 20, "hardly anything was done")
    print("requests %d, signatures %d, releases %d" % (
        len(ledger.requests), len(ledger.signatures), len(ledger.releases)))
    check_everything(world, server.port, ledger)
    server.kill()
    server.start().wait_ready()
    check_everything(world, server.port, ledger)


@scenario
def AFullDiskRefusesAndRecovers(world):
    if os.geteuid() != 0:
        raise NotRun("needs root to mount a small file system")
    small = world.directory / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small)],
                      stderr=subprocess.DEVNULL).returncode != 0:
        raise NotRun("mounting is not allowed here")
    world.stack.callback(subprocess.run, ["umount", "--lazy", str(small)])
    server = world.pool(data=small / "data")
    world.stack.callback(server.kill)
    client = Client(server.port)
    held = client.request(2)
    account = held["accounts"][0]["id"]
    filler = open(small / "filler", "wb", buffering=0)
    try:
        while True:
            filler.write(b"\0" * 65536)
    except OSError:
        pass
    refusals = []
    for i in range(4000):  # the log file may have some room left
        answer = client.sign(account, digest_of(i))
        if answer.status != 200:
            refusals.append(answer)
            if len(refusals) >= 5:
                break
    check(refusals, "a full disk refused nothing")
    for answer in refusals:
        check(answer.status == 503 and "retry-after" in answer.headers, answer)
        check("signature" not in answer.json, answer)
    check(client.get("/health").status == 200, "/health answers")
    check(client.get("/pool-info").status == 200, "reads go on")
    os.ftruncate(filler.fileno(), 0)
    wait_until(lambda: client.sign(account, digest_of("after")).status == 200, 20, "signing again")
    check(client.get("/ready").status == 200, "ready again")
    check(len(client.get("/accounts").json["accounts"]) == 2, "the lock is still held")
    world.verify_audit(audit_export(client))
    check(server.terminate() == 0, "ends")


@scenario
def FilesThatCannotBeReadAreNamed(world):
    """As another user than root: root may read everything."""
    prefix = []
    data = world.directory / "data"
    world.migrate(data)
    if os.geteuid() == 0:
        binary = world.directory / "adyton"
        shutil.copy(BINARY, binary)
        binary.chmod(0o755)
        world.directory.chmod(0o755)
        prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
        for path in [data, *data.iterdir()]:
            os.chown(path, 65534, 65534)
        if subprocess.run([*prefix, str(binary), "--version"],
                          stdout=subprocess.DEVNULL).returncode != 0:
            raise NotRun("cannot run the program as another user")
        command = [*prefix, str(binary)]
    else:
        command = [BINARY]
    arguments = ["serve", "pool", "--identity", "development", "--listen", "127.0.0.1:0",
                 "--metrics-listen", "127.0.0.1:0", "--data-dir", str(data)]
    environment = world.clean_environment(POOL_MASTER_KEY=MASTER_KEY)
    database = data / "adyton.db"
    check(database.exists(), "the database is elsewhere:", list(data.iterdir()))
    for path, mode in ((database, 0o000), (data, 0o000), (database, 0o400)):
        before = path.stat().st_mode & 0o777
        path.chmod(mode)
        try:
            done = subprocess.run([*command, *arguments], env=environment, timeout=30, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        finally:
            path.chmod(before)
        check(done.returncode == 1, path, oct(mode), done)
        check(done.stderr.count("error: ") == 1, path, done.stderr)
        check(data.name in done.stderr or "database" in done.stderr or "readonly" in done.stderr,
              "the message does not say what is wrong:", done.stderr)


@scenario
def ADatabaseThatIsNoneIsNamed(world):
    data = world.directory / "data"
    world.migrate(data)
    for junk in (b"this is not a database" * 500, b""):
        (data / "adyton.db").write_bytes(junk)
        for more in ("adyton.db-wal", "adyton.db-shm"):
            (data / more).unlink(missing_ok=True)
        done = world.try_run("serve", "pool", "--identity", "development", "--listen",
                             "127.0.0.1:0", "--data-dir", str(data), POOL_MASTER_KEY=MASTER_KEY)
        check(done.returncode == 1 and "error: " in done.stderr, done)


@scenario
def ASignalDrainsAndEndsWithZero(world):
    server = world.pool()
    client = Client(server.port)
    ids = [one["id"] for one in client.request(8)["accounts"]]
    answered, cut = [], []

    def sign(index, stopping):
        mine = Client(server.port, timeout=10)
        serial = 0
        while not stopping.is_set():
            serial += 1
            try:
                answer = mine.sign(ids[index], digest_of(index, serial))
            except http.client.IncompleteRead as error:  # an answer cut in the middle
                cut.append(error)
                return
            except (OSError, http.client.HTTPException):
                return  # the connection was closed between two requests, or not accepted any more
            if answer.status == 200:
                answered.append((ids[index], digest_of(index, serial).hex()))
            else:
                check(answer.status == 503, answer)

    crowd = Crowd(8, sign)
    time.sleep(1)
    status = server.terminate()
    crowd.stop()
    check(status == 0, "ended with", status)
    check(not cut, "answers were cut:", cut[:1])
    check(len(answered) > 8, "hardly anything was signed")
    check("stopped" in server.log_text(), "says so")
    server.start().wait_ready()
    export = audit_export(Client(server.port))
    world.verify_audit(export)
    recorded = {(line["account_id"], line["digest"]) for line in signatures_of(export)}
    check(set(answered) <= recorded, "answered but not recorded")


def signatures_of(export):
    return [record["body"] for record in audit_records(export, "pool.sign")]


@scenario
def TheSecondSignalEndsItAtOnce(world):
    server = world.pool(settings=["http.drain_timeout=30s"])
    # A request that never ends keeps the drain waiting.
    hanging = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    hanging.sendall(b"POST /request HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    time.sleep(0.3)
    server.process.terminate()
    time.sleep(0.5)
    server.process.terminate()
    check(server.process.wait(5) is not None, "ends")
    server.start().wait_ready()


@scenario
def ManyReadersAndWritersSeeOneTruth(world):
    """/pool-info stays exact while accounts change hands."""
    server = world.pool(settings=["log.access=errors"])
    ledger = Ledger()
    total = Client(server.port).get("/pool-info").json["total_accounts"]
    seen = threading.Event()

    def watch(_, stopping):
        client = Client(server.port)
        while not stopping.is_set():
            info = client.get("/pool-info").json
            check(info["active_accounts"] + info["locked_accounts"] + info["retiring_accounts"]
                  == info["total_accounts"], info)
            if info["locked_accounts"] > 0:
                seen.set()

    crowd = Crowd(6, lambda index, stopping: work_on(
        ledger, [server.port], SERVICES[index % len(SERVICES)], stopping))
    watchers = Crowd(2, watch)
    time.sleep(3)
    crowd.stop()
    watchers.stop()
    check(seen.is_set(), "nothing was locked")
    info = Client(server.port).get("/pool-info").json
    check(info["locked_accounts"] == len(ledger.owners), info, len(ledger.owners))
    check(info["total_accounts"] >= total, info)
    check_everything(world, server.port, ledger)


if __name__ == "__main__":
    main()
