#!/usr/bin/env python3
"""Where secrets must not be: arguments, environment, logs, database, memory that a core file holds."""

import base64
import glob
import json
import os
import pathlib
import shutil
import stat
import subprocess

from harness import (Authority, Client, Crowd, NotRun, check, digest_of, main, scenario,
                     strict_environment)

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def spellings(secret):
    """The ways in which a secret of bytes could lie around."""
    hexed = secret.hex().encode()
    return {secret, secret[::-1], hexed, hexed.upper(), base64.b64encode(secret).rstrip(b"="),
            base64.b64encode(secret[1:]).rstrip(b"="), base64.b64encode(secret[2:]).rstrip(b"=")}


def scalar_of_wif(wif):
    number = 0
    for letter in wif:
        number = number * 58 + ALPHABET.index(letter)
    return number.to_bytes(38, "big")[1:33]


def account_scalar(world, master, account):
    """What the server derives, by the offline tool."""
    shown = json.loads(world.run("tool", "neo-key", "--account-id", account, "--reveal", "--json",
                                 stdin="hex:" + master.hex()))
    return scalar_of_wif(shown["wif"])


def assert_absent(what, data, secrets):
    for name, secret in secrets.items():
        for spelling in spellings(secret):
            at = data.find(spelling)
            check(at < 0, name, "is in", what, "at", at, "of", len(data))


def files_below(directory):
    for path in sorted(pathlib.Path(directory).rglob("*")):
        if path.is_file():
            yield path


def start(world):
    """A strict server whose secrets came by environment, and what must stay hidden."""
    master = os.urandom(32)
    authority = Authority(world.directory / "pki")
    credentials = authority.issue("server", ["neoaccounts"], san="IP:127.0.0.1",
                                  usage="serverAuth,clientAuth")
    policy = world.directory / "policy.toml"
    policy.write_text('default = "allow"\n')
    environment = strict_environment(authority, credentials)
    server = world.pool(identity="strict", settings=["policy.file=" + str(policy)],
                        POOL_MASTER_KEY=master.hex(), **environment)
    tls = authority.client_context(authority.issue("client", ["neocompute"]))
    key = subprocess.run(["openssl", "pkey", "-in", str(credentials[1]), "-outform", "DER"],
                         stdout=subprocess.PIPE, check=True).stdout
    # ECPrivateKey inside PKCS #8: OCTET STRING of 32 bytes after INTEGER 1.
    at = key.index(b"\x02\x01\x01\x04\x20") + 5
    return server, tls, {"the master key": master, "the TLS key": key[at:at + 32]}


def process_file(server, name):
    return pathlib.Path("/proc/%d/%s" % (server.pid, name)).read_bytes()


def core_image(world, pid):
    """What a core file of the process would hold. NotRun where it cannot be had."""
    if shutil.which("gcore") is None or os.geteuid() != 0:
        raise NotRun("needs gcore and root")
    if os.environ.get("ADYTON_SANITIZE"):
        raise NotRun("a sanitized process has terabytes of shadow memory")
    path = world.directory / "core"
    done = subprocess.run(["gcore", "-o", str(path), str(pid)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120)
    found = glob.glob(str(path) + ".*")
    if done.returncode != 0 or not found:
        raise NotRun("gcore cannot read the process here: " + done.stdout[-200:])
    data = pathlib.Path(found[0]).read_bytes()
    os.unlink(found[0])
    check(len(data) > 1_000_000, "hardly a core")
    return data


@scenario
def SecretsAreNotInArgumentsEnvironmentLogsOrFiles(world):
    server, tls, secrets = start(world)
    client = Client(server.port, None, tls)
    held = client.request(3)
    for i, account in enumerate(held["accounts"]):
        check(client.sign(account["id"], digest_of(i)).status == 200, "signs")
        secrets["key %d" % i] = account_scalar(world, secrets["the master key"], account["id"])
    client.post("/sign", raw=b"{")  # errors are logged too
    if os.geteuid() == 0:
        environment = process_file(server, "environ")
        check(b"POOL_MASTER_KEY=" not in environment or
              b"POOL_MASTER_KEY=\0" in environment, "the variable is still there")
        assert_absent("its environment", environment, secrets)
        assert_absent("its arguments", process_file(server, "cmdline"), secrets)
    for answer in (client.get("/info"), client.get("/master-key"), client.get("/openapi.json"),
                   client.get("/audit/export")):
        check(answer.status == 200, answer)
        assert_absent("an answer", answer.body, secrets)
    check(server.terminate() == 0, "ends")
    assert_absent("the log", server.log.read_bytes(), secrets)
    for path in files_below(server.data):
        assert_absent(path.name, path.read_bytes(), secrets)
        check(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path.name, "is open to others")


@scenario
def ThePreMainsObjectOfSecretsIsTakenAndWiped(world):
    """MARBLE_SECRETS: bytes in base64, taken as they are, also when they look like hex."""
    master = os.urandom(16).hex().encode()
    injected = json.dumps({"POOL_MASTER_KEY": base64.b64encode(master).decode(), "TYPO": "AAAA"})
    server = world.pool(POOL_MASTER_KEY=None, MARBLE_SECRETS=injected)
    key = Client(server.port).get("/master-key").json["pubkey"]
    if os.geteuid() == 0:
        environment = process_file(server, "environ")
        assert_absent("its environment", environment, {"the master key": master})
        check(b"TYPO" not in environment, "the object is still there")
    check("TYPO is no secret" in server.log_text(), "a name in vain is not told")
    assert_absent("the log", server.log.read_bytes(), {"the master key": master})
    check(server.terminate() == 0, "ends")
    path = world.directory / "raw"
    path.write_bytes(master)
    os.chmod(path, 0o600)
    plain = world.pool(data=world.directory / "plain", POOL_MASTER_KEY=None,
                       settings=["pool.master_key=file:" + str(path)])
    check(Client(plain.port).get("/master-key").json["pubkey"] == key, "other bytes")
    for bad in ('{"POOL_MASTER_KEY":', '["AAAA"]', '{"POOL_MASTER_KEY":"not base64"}',
                '{"POOL_MASTER_KEY":"AAAA","POOL_MASTER_KEY":"AAAA"}'):
        done = world.try_run("serve", "pool", "--identity", "development", MARBLE_SECRETS=bad)
        check(done.returncode == 1 and "MARBLE_SECRETS" in done.stderr, done)


@scenario
def SecretsAreNotInACoreOfTheProcess(world):
    server, tls, secrets = start(world)
    client = Client(server.port, None, tls)
    held = client.request(4)
    for i, account in enumerate(held["accounts"]):
        secrets["key %d" % i] = account_scalar(world, secrets["the master key"], account["id"])

    def sign(index, stopping):
        mine = Client(server.port, None, tls)
        serial = 0
        while not stopping.is_set():
            serial += 1
            mine.sign(held["accounts"][index]["id"], digest_of(index, serial))

    image = core_image(world, server.pid)
    check(held["accounts"][0]["id"].encode() in image, "the core does not hold the heap")
    assert_absent("the core after the start", image, secrets)
    crowd = Crowd(4, sign)
    image = core_image(world, server.pid)
    crowd.stop()
    assert_absent("the core under load", image, secrets)


@scenario
def NoCoreFileIsWrittenAndOthersCannotLook(world):
    server, _, _ = start(world)
    limits = process_file(server, "limits").decode()
    line = next(one for one in limits.splitlines() if one.startswith("Max core file size"))
    check(line.split()[4:6] == ["0", "0"], line)
    status = process_file(server, "status").decode()
    check("NoNewPrivs:\t1" in status, status)
    # Not dumpable: the files of /proc belong to root, whoever runs it.
    if os.geteuid() == 0:
        check(os.stat("/proc/%d/environ" % server.pid).st_uid == 0, "owner")
    else:
        try:
            process_file(server, "environ")
            check(False, "another process of this user reads its environment")
        except PermissionError:
            pass


if __name__ == "__main__":
    main()
