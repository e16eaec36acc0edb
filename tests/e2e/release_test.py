#!/usr/bin/env python3
"""Secrets released on evidence, and databases that somebody puts back."""

import json
import os
import shutil

from harness import Client, audit_export, audit_records, check, digest_of, free_port_base, main, scenario

MASTER = "0123456789abcdef" * 4


def keystore(world, policy):
    """A development keystore that releases the pool's master key to programs that fit `policy`."""
    base = free_port_base(2)
    data = world.directory / "keystore"
    secret = world.directory / "pool-master"
    secret.write_text(MASTER)
    os.chmod(secret, 0o600)
    (world.directory / "policy.json").write_text(json.dumps(policy))
    config = world.directory / "keystore.toml"
    config.write_text(
        '[release.grants.accountpool]\npolicy = "%s"\nenv = { POOL_MASTER_KEY = "file:%s" }\n'
        % (world.directory / "policy.json", secret))
    world.migrate(data)
    server = world.server(
        ["serve", "keystore", "--config", str(config), "--identity", "development", "--listen",
         "127.0.0.1:%d" % base, "--metrics-listen", "127.0.0.1:%d" % (base + 1), "--data-dir",
         str(data), "--set", "keystore.coordinator_token_hashes=" + "ab" * 32],
        world.clean_environment(KEYSTORE_MASTER_SECRET="cd" * 32))
    server.port, server.metrics_port, server.data = base, base + 1, data
    return server.start().wait_ready()


# No rule names a simulated program, so the list is there for its form.
WELCOME = {"accept": [{"type": "sgx-dcap", "mrenclave": "00" * 32}], "allow_simulated": True}


def released_pool(world, source, kind="accountpool"):
    base = free_port_base(2)
    data = world.directory / "released"
    world.migrate(data)
    server = world.server(
        ["release", "--type", kind, "--from", "http://127.0.0.1:%d" % source.port, "--", "serve",
         "pool", "--identity", "development", "--listen", "127.0.0.1:%d" % base,
         "--metrics-listen", "127.0.0.1:%d" % (base + 1), "--data-dir", str(data)],
        world.clean_environment(POOL_MASTER_KEY="the host's own key, which must not count"))
    server.port, server.metrics_port, server.data = base, base + 1, data
    return server.start()


@scenario
def AServiceBootsWithWhatTheKeystoreReleases(world):
    source = keystore(world, WELCOME)
    pool = released_pool(world, source).wait_ready()
    released = Client(pool.port).get("/master-key").json["pubkey"]
    check(pool.terminate() == 0, "ends")
    plain = world.pool(POOL_MASTER_KEY=MASTER)
    check(Client(plain.port).get("/master-key").json["pubkey"] == released, "another key")
    for path in (source.log, pool.log, source.data / "adyton.db"):
        if path.exists():
            check(MASTER.encode() not in path.read_bytes(), path, "holds the key")


@scenario
def AProgramThatDoesNotFitGetsNothing(world):
    source = keystore(world, dict(WELCOME, allow_simulated=False))
    refused = released_pool(world, source)
    check(refused.process.wait(30) == 1, "it started")
    check("release_refused" in refused.log_text(), refused.log_text())
    other = released_pool(world, source, kind="confidential")
    check(other.process.wait(30) == 1, "it started")
    check("a release was refused" in source.log_text(), source.log_text())


@scenario
def AnOlderDatabaseIsRefusedBeforeItSigns(world):
    witness = world.directory / "witness"
    setting = ["rollback.witness_file=" + str(witness), "rollback.period=1s"]
    server = world.pool(settings=setting)
    client = Client(server.port)
    check(client.get("/info").json["rollback"]["guarded"] is True, "guarded")
    client.request(1)
    check(server.terminate() == 0, "ends")
    copy = world.directory / "copy"
    shutil.copytree(server.data, copy)
    server.start().wait_ready()
    held = Client(server.port).request(1)
    Client(server.port).sign(held["accounts"][0]["id"], digest_of(1))
    check(server.terminate() == 0, "ends")
    shutil.rmtree(server.data)
    shutil.copytree(copy, server.data)
    server.start()
    check(server.process.wait(30) == 1, "an older database was served")
    check("database_rolled_back" in server.log_text() or
          "older than its witness" in server.log_text(), server.log_text()[-1500:])
    witness.unlink()
    server.start()
    check(server.process.wait(30) == 1, "an emptied witness was taken")
    check("rollback.adopt" in server.log_text(), server.log_text()[-1500:])


@scenario
def APeerRemembersAndWithoutWitnessItIsSaid(world):
    peer = world.pool(data=world.directory / "peer", settings=["rollback.serve_witness=true"])
    check("no rollback witness" in peer.log_text(), "it is not said")
    check(Client(peer.port).get("/info").json["rollback"]["guarded"] is False, "it is not said")
    setting = ["rollback.witness_url=http://127.0.0.1:%d" % peer.port, "rollback.period=1s"]
    server = world.pool(data=world.directory / "guarded", settings=setting)
    Client(server.port).request(1)
    check(server.terminate() == 0, "ends")
    known = Client(peer.port, service="neoaccounts").get("/witness").json
    check(known["heads"][0]["sequence"] >= 1, known)
    copy = world.directory / "copy"
    shutil.copytree(server.data, copy)
    server.start().wait_ready()
    Client(server.port).request(1)
    check(server.terminate() == 0, "ends")
    shutil.rmtree(server.data)
    shutil.copytree(copy, server.data)
    server.start()
    check(server.process.wait(30) == 1, "an older database was served")
    # Who cannot be asked is not taken for granted.
    peer.kill()
    server.start()
    check(server.process.wait(40) == 1, "served without its witness")


if __name__ == "__main__":
    main()
