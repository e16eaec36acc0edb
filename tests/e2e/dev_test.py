#!/usr/bin/env python3
"""`adyton dev` and the command line, as a newcomer meets them."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import sqlite3
import stat
import subprocess
import sys

import crypto_check
from harness import (BINARY, MASTER_KEY, ROOT, Client, check, digest_of, main, scenario,
                     wait_until)

MAIN_JOB = pathlib.Path(__file__).resolve().parent / "main_job.py"
WORKFLOW_JOB = MAIN_JOB.with_name("workflow_job.py")


def urls(server):
    return {"ADYTON_POOL_URL": "http://127.0.0.1:%d" % server.port}


@scenario
def DevDoesTheMainJob(world):
    """The issue's first sentence: request, sign, verify with an independent tool, release."""
    server = world.dev()
    done = subprocess.run(
        [sys.executable, str(MAIN_JOB), "--base-url", "http://127.0.0.1:%d" % server.port,
         "--neo-rpc", "http://127.0.0.1:%d" % (server.base + 5), "--adyton", BINARY],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    print(done.stdout)
    check(done.returncode == 0, "the main job failed")
    check(done.stdout.count("\nrequested ") == 2, "two accounts are printed")
    check("\ntransferred 2.5 GAS " in done.stdout and "\nexplained " in done.stdout, "the transfer")
    check("\nverified " in done.stdout and "\nreleased " in done.stdout, "it ends")
    check(server.terminate() == 0, "SIGTERM ends it with 0")


@scenario
def DevRunsAWorkflow(world):
    """Three calls through the gate of the local chain, their evidence checked offline and on it;
    after a restart the same evidence still holds on the chain, and another workflow runs on it."""

    def run_job(server):
        done = subprocess.run(
            [sys.executable, str(WORKFLOW_JOB),
             "--coordinator", "http://127.0.0.1:%d" % server.base,
             "--keystore", "http://127.0.0.1:%d" % (server.base + 3),
             "--near-rpc", "http://127.0.0.1:%d" % (server.base + 6), "--adyton", BINARY],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240)
        print(done.stdout)
        check(done.returncode == 0, "the workflow failed")
        return done.stdout

    server = world.dev()
    said = run_job(server)
    wallet = re.search(r"^wallet +(\S+) is", said, re.M).group(1)
    request = re.search(r"^executed +(\S+) in", said, re.M).group(1)
    check(server.terminate() == 0, "SIGTERM ends it with 0")
    again = world.dev(data=server.data)
    bundle = world.directory / "evidence-after-restart.json"
    bundle.write_text(world.run(
        "wallet", "workflow", "evidence", request, "--wallet", wallet,
        "--url", "http://127.0.0.1:%d" % again.base))
    verified = world.run(
        "verify", "workflow", str(bundle), "--rpc", "http://127.0.0.1:%d" % (again.base + 6))
    check("all holds" in verified, verified)
    run_job(again)
    check(again.terminate() == 0, "SIGTERM ends it with 0")


@scenario
def DevSaysLoudlyThatItIsDevelopment(world):
    server = world.dev()
    info = Client(server.port).get("/info").json
    check(info["identity_mode"] == "development", info)
    banner = server.log_text()
    check("DEVELOPMENT" in banner, banner)
    check("X-Service-ID" in banner and banner.count("curl ") >= 3, banner)
    log = (server.data / "adyton.log").read_text()
    check("DEVELOPMENT IDENTITY" in log, log)
    absent = re.search("not in this build yet: (.*)", banner)
    for port in re.findall(r"\((\d+)\)", absent.group(1) if absent else ""):
        try:  # what is announced as absent does not listen
            Client(int(port), timeout=2).get("/info")
        except OSError:
            continue
        check(False, "port", port, "is open")


@scenario
def DevKeepsItsKeyAndItsAccounts(world):
    server = world.dev()
    key = pathlib.Path(server.data) / "master.key"
    check(stat.S_IMODE(os.stat(key).st_mode) == 0o600, "the key is private")
    before = key.read_bytes()
    client = Client(server.port)
    held = client.request(2)
    digest = digest_of("restart")
    first = client.sign(held["accounts"][0]["id"], digest).json
    check(server.terminate() == 0, "ends")
    again = world.dev(data=server.data)
    check(key.read_bytes() == before, "the same key")
    client = Client(again.port)
    check(client.sign(held["accounts"][0]["id"], digest).json == first, "the same signature")
    check(client.release(lock_id=held["lock_id"]) == 2, "the lock survived")


@scenario
def DevKeepsTheLocalNeoChainAndSaysThatItIsASimulator(world):
    server = world.dev()
    check("SIMULATOR" in server.log_text(), server.log_text())
    node = "http://127.0.0.1:%d" % (server.base + 5)
    more = {"ADYTON_NEO_RPC_URL": node}
    address = "NTZAirRR9MB4DCg2Y529G7JWqqqexgJk1s"
    shown = world.run("dev", "fund", "--address", address, "--amount", "500", **more)
    check("confirmed" in shown, shown)
    for wrong in (["--address", "N1", "--amount", "1"], ["--address", address, "--amount", "1.5"],
                  ["--address", address, "--amount", "1", "--token", "NOTHING"]):
        refused = world.try_run("dev", "fund", *wrong, **more)
        check(refused.returncode == 1 and "error: " in refused.stderr, wrong, refused)
    client = Client(server.base + 5)
    ask = {"jsonrpc": "2.0", "id": 1, "method": "getnep17balances", "params": [address]}
    before = client.post("/", ask).json["result"]
    check(before["balance"][0]["amount"] == "500", before)
    version = client.post("/", dict(ask, method="getversion", params=[])).json["result"]
    check("SIMULATOR" in version["useragent"], version)
    world.run("dev", "fault", "neo", "rpc_error", "--method", "getrawmempool", **more)
    mempool = dict(ask, method="getrawmempool", params=[])
    check("error" in client.post("/", mempool).json, "the ordered fault strikes")
    check("result" in client.post("/", mempool).json, "once")
    told = json.loads(world.run("dev", "fault", "neo", "--json", **more))
    check(told["struck"] == {"rpc_error": 1} and told["waiting"] == 0, told)
    refused = world.try_run("dev", "fault", "neo", "nonsense", **more)
    check(refused.returncode == 1 and "known: lose_request" in refused.stderr, refused)
    check(server.terminate() == 0, "ends")
    again = world.dev(data=server.data)
    check(Client(again.base + 5).post("/", ask).json["result"] == before, "the ledger is kept")


@scenario
def DevServesALocalNearChainAndSaysThatItIsASimulator(world):
    server = world.dev()
    check("SIMULATOR of a NEAR node" in server.log_text(), server.log_text())
    more = {"ADYTON_NEAR_RPC_URL": "http://127.0.0.1:%d" % (server.base + 6)}
    client = Client(server.base + 6)

    def ask(method, params):
        body = {"jsonrpc": "2.0", "id": "1", "method": method, "params": params}
        return client.post("/", body).json

    def view(contract, method, args):
        said = ask("query", {
            "request_type": "call_function", "finality": "optimistic", "account_id": contract,
            "method_name": method,
            "args_base64": base64.b64encode(json.dumps(args).encode()).decode()})["result"]
        return json.loads(bytes(said["result"]))

    status = ask("status", [])["result"]
    check("SIMULATOR" in status["version"]["version"], status)
    check(status["chain_id"] == "adyton-local", status)
    wallet = "ab" * 32
    for token in ("NEAR", "wNEAR", "intents"):
        shown = world.run("dev", "fund", "--address", wallet, "--token", token,
                          "--amount", "1000000000000000000000000", **more)
        check("executed" in shown, shown)
    account = ask("query", {"request_type": "view_account", "finality": "optimistic",
                            "account_id": wallet})["result"]
    check(account["amount"] == "1" + "0" * 24, account)
    check(view("wrap.near", "ft_balance_of", {"account_id": wallet}) == "1" + "0" * 24, "wNEAR")
    inside = {"account_id": wallet, "token_id": "nep141:wrap.near"}
    check(view("intents.near", "mt_balance_of", inside) == "1" + "0" * 24, "wNEAR in intents.near")
    check(view("gate.sequential.near", "get_batch_tail", {}) == [], "the gate is idle")
    check(view("gate.sequential.near", "is_relayer", {"account_id": "relayer.sequential.near"}),
          "the relayer is known")
    for wrong in (["--address", "NOBODY", "--amount", "1"], ["--address", wallet, "--amount", "0"],
                  ["--address", wallet, "--amount", "1.5"]):
        refused = world.try_run("dev", "fund", *wrong, "--token", "NEAR", **more)
        check(refused.returncode == 1 and "error: " in refused.stderr, wrong, refused)
    final = ask("block", {"finality": "final"})["result"]["header"]
    check(server.terminate() == 0, "ends")
    again = world.dev(data=server.data)
    client = Client(again.base + 6)
    later = ask("block", {"finality": "final"})["result"]["header"]["height"]
    check(later >= final["height"], "the chain goes on", final["height"], later)
    same = ask("block", {"block_id": final["height"]})["result"]["header"]
    check(same == final, "the same chain", final, same)
    check(view("intents.near", "mt_balance_of", inside) == "1" + "0" * 24, "balances are kept")
    again.kill()
    third = world.dev(data=server.data)
    client = Client(third.base + 6)
    check(view("wrap.near", "ft_balance_of", {"account_id": wallet}) == "1" + "0" * 24,
          "kill -9 loses nothing")


@scenario
def DevRefusesToRunTwiceInOneDirectory(world):
    server = world.dev()
    done = world.try_run("dev", "--port-base", str(server.base + 10), "--data-dir",
                         str(server.data))
    check(done.returncode == 1, done)
    check("data_dir_in_use" in done.stderr, done.stderr)


@scenario
def DevRefusesToRunWhereTheHostDemandsStrictIdentity(world):
    for variables in ({"MARBLE_ENV": "production"}, {"OE_SIMULATION": "0"}):
        done = world.try_run("dev", "--data-dir", str(world.directory / "strict"), **variables)
        check(done.returncode == 1, variables, done)
        check("strict" in done.stderr, done.stderr)


GAS = bytes.fromhex("cf76e28bd0062c4a478ee35561011319f3cfa4d2")  # as it stands in scripts


def hash_of_address(address):
    number = 0
    for letter in address:
        number = number * 58 + crypto_check.BASE58.index(letter)
    return number.to_bytes(25, "big")[1:21]


def gas_transfer_script(sender, receiver, amount):
    """NEP-17 transfer with null data, and an ASSERT of its answer, from the protocol's description."""
    pushed = amount.to_bytes(8, "little", signed=True)
    return (b"\x0b" + b"\x03" + pushed + b"\x0c\x14" + receiver + b"\x0c\x14" + sender + b"\x14\xc0"
            + b"\x1f" + b"\x0c\x08transfer" + b"\x0c\x14" + GAS + b"\x41\x62\x7d\x5b\x52" + b"\x39")


def unsigned_transaction(sender, script, system_fee, network_fee, last_block):
    return (b"\x00" + os.urandom(4) + system_fee.to_bytes(8, "little")
            + network_fee.to_bytes(8, "little") + last_block.to_bytes(4, "little")
            + b"\x01" + sender + b"\x01" + b"\x00" + bytes([len(script)]) + script)


@scenario
def AWholeTransactionSignedFromTheCommandLineLandsOnChain(world):
    """Built here, explained and signed by `adyton pool sign --transaction`, checked by openssl, and
    sent to the node by hand."""
    server = world.dev()
    more = urls(server)
    node = Client(server.base + 5)

    def ask(method, *params):
        return node.post("/", {"jsonrpc": "2.0", "id": 1, "method": method,
                               "params": list(params)}).json

    account = json.loads(world.run("pool", "request", "--count", "1", "--json", **more))[
        "accounts"][0]
    world.run("dev", "fund", "--address", account["address"], "--amount", "1000000000",
              ADYTON_NEO_RPC_URL="http://127.0.0.1:%d" % (server.base + 5))
    sender, receiver = hash_of_address(account["address"]), bytes(range(20))
    script = gas_transfer_script(sender, receiver, 12345)
    simulated = ask("invokescript", base64.b64encode(script).decode(),
                    [{"account": "0x" + sender[::-1].hex(), "scopes": "CalledByEntry"}])["result"]
    check(simulated["state"] == "HALT", simulated)
    version = ask("getversion")["result"]["protocol"]
    unsigned = unsigned_transaction(sender, script, int(simulated["gasconsumed"]), 5_000_000,
                                    ask("getblockcount")["result"] + 50)
    file = world.directory / "unsigned.b64"
    file.write_text(base64.b64encode(unsigned).decode() + "\n")
    network = str(version["network"])

    shown = world.run("pool", "sign", account["id"], "--transaction", str(file), "--network",
                      network, **more)
    check("transfer 0.00012345 GAS from %s" % account["address"] in shown, shown)
    check("Understood   yes" in shown and "verified    here" in shown, shown)
    signed = json.loads(world.run("pool", "sign", account["id"], "--transaction", str(file),
                                  "--network", network, "--json", **more))
    key, signature = (base64.b64decode(signed[name]) for name in ("public_key", "signature"))
    tx_hash = hashlib.sha256(unsigned).digest()
    digest = hashlib.sha256(version["network"].to_bytes(4, "little") + tx_hash).digest()
    check(crypto_check.openssl_verifies(key, digest, signature), "openssl refuses the signature")
    check(signed["tx_hash"] == "0x" + tx_hash[::-1].hex(), signed)

    witness = (b"\x01" + b"\x42\x0c\x40" + signature + b"\x28\x0c\x21" + key
               + b"\x41\x56\xe7\xb3\x27")
    sent = ask("sendrawtransaction", base64.b64encode(unsigned + witness).decode())
    check(sent.get("result", {}).get("hash") == signed["tx_hash"], sent)
    wait_until(lambda: "result" in ask("getapplicationlog", signed["tx_hash"]), 20, "in a block")
    done = ask("getapplicationlog", signed["tx_hash"])["result"]["executions"][0]
    check(done["vmstate"] == "HALT", done)

    # Another network, somebody else's transaction, and bytes that are none.
    for arguments, code, said in (
            (["--transaction", str(file), "--network", "main"], 1, "network"),
            (["--transaction", str(file)], 2, "--network"),
            ([digest.hex(), "--transaction", str(file), "--network", network], 2, "not both")):
        refused = world.try_run("pool", "sign", account["id"], *arguments, **more)
        check(refused.returncode == code and said in refused.stderr, arguments, refused)
    file.write_text(base64.b64encode(unsigned_transaction(
        bytes(20), script, 10_000_000, 5_000_000, 100)).decode())
    refused = world.try_run("pool", "sign", account["id"], "--transaction", str(file), "--network",
                            network, **more)
    check(refused.returncode == 1, refused)
    file.write_text(base64.b64encode(unsigned[:-1]).decode())
    refused = world.try_run("pool", "sign", account["id"], "--transaction", str(file), "--network",
                            network, **more)
    check(refused.returncode == 2, refused)


@scenario
def TheCommandLineDoesTheMainJob(world):
    server = world.dev()
    more = urls(server)
    held = json.loads(world.run("pool", "request", "--count", "2", "--ttl", "10m", "--purpose",
                                "e2e", "--json", **more))
    account = held["accounts"][0]
    digest = digest_of("cli")
    signed = json.loads(world.run("pool", "sign", account["id"], digest.hex(), "--lock",
                                  held["lock_id"], "--fencing", str(account["fencing"]), "--json",
                                  **more))
    key = base64.b64decode(signed["public_key"])
    check(crypto_check.openssl_verifies(key, digest, base64.b64decode(signed["signature"])),
          "openssl refuses the signature")
    check(crypto_check.neo_address(key) == account["address"], "address")
    shown = world.run("tool", "neo-address", key.hex(), **more)
    check(account["address"] in shown, shown)

    check(account["address"] in world.run("pool", "accounts", **more), "listed")
    check(held["lock_id"] in world.run("pool", "allocations", **more), "allocation listed")
    check("2 accounts held until" in world.run("pool", "renew", held["lock_id"], **more), "renew")
    info = json.loads(world.run("pool", "info", "--json", **more))
    check(info["locked_accounts"] == 2, info)
    check("released 2 accounts" in world.run("pool", "release", "--lock", held["lock_id"], **more),
          "release")
    check("no accounts" in world.run("pool", "accounts", **more), "nothing held")


@scenario
def TheCommandLineSignsForANeoNetwork(world):
    server = world.dev()
    more = urls(server)
    held = json.loads(world.run("pool", "request", "--json", **more))
    # The transaction's hash as explorers show it: reversed.
    shown = "0x" + bytes(range(32))[::-1].hex()
    signed = json.loads(world.run("pool", "sign", held["accounts"][0]["id"], shown, "--network",
                                  "test", "--json", **more))
    digest = bytes.fromhex("6eaf184a673070d536005a6646a125e88148cd5497658c87b1da401117be23d1")
    check(crypto_check.openssl_verifies(base64.b64decode(signed["public_key"]), digest,
                                        base64.b64decode(signed["signature"])),
          "not the digest of services.md 8.3")


@scenario
def TheCommandLineFreezesGrowsAndChecksTheAudit(world):
    server = world.dev(extra=["--set", "pool.max_accounts=300"])
    more = urls(server)
    held = json.loads(world.run("pool", "request", "--json", **more))
    account = held["accounts"][0]["id"]
    world.run("pool", "freeze", "--account", account, "--reason", "e2e", **more)
    refused = world.try_run("pool", "sign", account, digest_of(1).hex(), **more)
    check(refused.returncode == 1 and "account_frozen" in refused.stderr, refused)
    check("HTTP 423" in refused.stderr and "trace id: " in refused.stderr, refused.stderr)
    check("e2e" in world.run("pool", "freeze", "--list", **more), "listed")
    world.run("pool", "unfreeze", "--account", account, **more)
    world.run("pool", "sign", account, digest_of(1).hex(), **more)

    grown = json.loads(world.run("pool", "grow", "--to", "250", "--json", **more))
    check(grown["total_accounts"] >= 250 and grown["complete"], grown)
    beyond = world.try_run("pool", "grow", "--to", "301", **more)
    check(beyond.returncode == 1 and "max_accounts" in beyond.stderr, beyond.stderr)

    checkpoint = json.loads(world.run("pool", "audit", "checkpoint", "--json", **more))
    out = world.directory / "audit.jsonl"
    world.run("pool", "audit", "export", "--out", str(out), **more)
    pin = "%d:%s" % (checkpoint["number"], checkpoint["hash"])
    check("intact" in world.run("verify", "audit", str(out), "--checkpoint", pin), "intact")
    lines = out.read_text().splitlines(keepends=True)
    signed = next(i for i, line in enumerate(lines) if '"pool.sign"' in line)
    out.write_text("".join(lines[:signed] + lines[signed + 1:]))
    cut = world.try_run("verify", "audit", str(out))
    check(cut.returncode == 1 and "line %d" % (signed + 1) in cut.stderr, cut.stderr)


@scenario
def TheCommandLineExplainsItsFailures(world):
    unreachable = world.try_run("pool", "info", "--url", "http://127.0.0.1:1", "--timeout", "1")
    check(unreachable.returncode == 1 and "adyton dev" in unreachable.stderr, unreachable)
    for arguments in (["pool"], ["pool", "sign"], ["nonsense"], ["pool", "request", "--count", "0"],
                      ["pool", "request", "--count", "101"], ["pool", "release"],
                      ["pool", "request", "--ttl", "25h"], ["pool", "freeze"],
                      ["pool", "info", "--url", "ftp://x"], ["pool", "sign", "a", "b"],
                      ["verify", "audit"], ["tool", "neo-address", "N"], ["bench", "pool", "--only",
                                                                        "nothing"]):
        done = world.try_run(*arguments)
        check(done.returncode == 2, arguments, "ended with", done.returncode, done.stderr)
        check(done.stderr.startswith("error: "), arguments, done.stderr)
        check(done.stdout == "", arguments, done.stdout)
    for service in ("pool", "keystore", "compute", "coordinator"):
        done = world.try_run("serve", service, "--listen", "127.0.0.1:1")
        check(done.returncode == 1 and done.stderr.startswith("error: "), service, done.stderr)
        # A build without the engine's libraries has no compute service, and says so.
        check("tls.certificate" in done.stderr and "--identity development" in done.stderr
              or "has no %s service" % service in done.stderr, service, done.stderr)
    as_json = world.try_run("pool", "info", "--url", "http://127.0.0.1:1", "--timeout", "1",
                            "--json")
    check(json.loads(as_json.stderr)["error"]["code"] == "unavailable", as_json.stderr)


@scenario
def EveryCommandHasHelpWithAnExample(world):
    commands = ["dev", "serve pool", "pool info", "pool request", "pool accounts", "pool sign",
                "pool renew", "pool release", "pool allocations", "pool grow", "pool freeze",
                "pool unfreeze", "pool audit export", "pool audit checkpoint", "pool import",
                "verify audit", "config check", "config reference", "migrate", "tool neo-address",
                "tool neo-key", "bench pool"]
    for command in commands:
        text = world.run(*command.split(), "--help")
        check("adyton " + command in text.split("Examples:")[-1], command, text)
        check("--json" in text, command)


@scenario
def ToolsShowNeoAccountsAndKeepSecretsOffTheCommandLine(world):
    vectors = pathlib.Path(os.environ.get("ADYTON_VECTORS", ROOT / "tests" / "vectors"))
    cases = json.loads((vectors / "neo" / "hkdf_accounts.json").read_text())["cases"]
    for case in cases[:5]:
        shown = json.loads(world.run("tool", "neo-key", "--account-id", case["account_id"],
                                     "--json", stdin="hex:" + case["master_key"])
                           if len(case["account_id"]) == 36 else "null")
        if shown is None:
            continue
        check(shown["address"] == case["address"], case["name"], shown)
        check(shown["public_key"] == case["public_key"], case["name"])
        revealed = json.loads(world.run("tool", "neo-key", "--reveal", "--json",
                                        stdin=case["wif"] + "\n"))
        check(revealed["address"] == case["address"] and revealed["wif"] == case["wif"], revealed)
        for public in (case["address"], case["public_key"], case["script_hash_display"]):
            shown = json.loads(world.run("tool", "neo-address", public, "--json"))
            check(shown["address"] == case["address"], public, shown)
        secret = world.try_run("tool", "neo-address", case["wif"])
        check(secret.returncode == 2 and case["wif"] not in secret.stderr, "a key is not echoed")
    loose = world.directory / "loose.wif"
    loose.write_text(cases[0]["wif"])
    loose.chmod(0o644)
    refused = world.try_run("tool", "neo-key", "--file", str(loose))
    check(refused.returncode == 1, "a key that others may read is refused", refused)


@scenario
def ConfigurationMistakesAreNamed(world):
    config = world.directory / "adyton.toml"
    config.write_text("[pool]\nmin_acounts = 5\n")
    done = world.try_run("config", "check", "--config", str(config))
    check(done.returncode == 1 and "min_accounts" in done.stderr, done.stderr)
    config.write_text("[pool]\nmin_accounts = 5\n")
    text = world.run("config", "check", "--config", str(config), POOL_MASTER_KEY="s" * 40)
    check("s" * 40 not in text, "a secret is printed")
    check("pool.min_accounts" in text, text)
    sample = world.run("config", "reference", "--sample")
    config.write_text(sample)
    world.run("config", "check", "--config", str(config), POOL_MASTER_KEY="s" * 40)
    serve = world.try_run("serve", "pool", "--data-dir", str(world.directory / "none"))
    check(serve.returncode == 1, serve)


@scenario
def ServeRefusesAnOlderSchemaAndMigrateMendsIt(world):
    data = world.directory / "data"
    server = world.pool(data=data, start=False)
    server.start()
    wait_until(lambda: server.process.poll() is not None, 15, "it ends")
    check(server.process.returncode == 1, server.process.returncode)
    check("migrate" in server.log_text(), server.log_text())
    check(world.try_run("migrate", "--check", "--data-dir", str(data)).returncode == 1, "old")
    world.run("migrate", "--data-dir", str(data))
    world.run("migrate", "--check", "--data-dir", str(data))
    check(json.loads(world.run("migrate", "--data-dir", str(data), "--json"))["migrated"] == [],
          "twice")
    server.start().wait_ready()
    check(server.terminate() == 0, "ends")
    # A newer schema wants the newer program, which migrate is not.
    with contextlib.closing(sqlite3.connect(data / "adyton.db")) as database, database:
        database.execute("INSERT INTO schema_migrations (number, name, applied_at) "
                         "VALUES (99999, 'of tomorrow', 0)")
    newer = world.try_run("serve", "pool", "--identity", "development", "--data-dir", str(data),
                          POOL_MASTER_KEY=MASTER_KEY)
    check(newer.returncode == 1 and "newer program" in newer.stderr, newer)
    check("migrate" not in newer.stderr, newer)


@scenario
def AnotherMasterKeyIsRefused(world):
    server = world.pool()
    check(server.terminate() == 0, "ends")
    other = world.pool(data=server.data, start=False, POOL_MASTER_KEY="another-key-" + "x" * 32)
    other.start()
    wait_until(lambda: other.process.poll() is not None, 15, "it ends")
    check(other.process.returncode == 1 and "master_key_changed" in other.log_text(),
          other.log_text())


if __name__ == "__main__":
    main()
