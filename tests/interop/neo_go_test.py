#!/usr/bin/env python3
"""A private network of real neo-go nodes against a running pool: funds its accounts, runs 200
concurrent transfers of GAS and NEO with kill -9 of the pool in between, and reconciles every
balance to the last digit from what the nodes themselves say.

    neo_go_test.py --neo-go PATH [--report JUNIT.xml] [--transfers N]

The keys are the public test keys of tests/vectors/neo/privnet.json. Standard library only.
"""

import argparse
import base64
import collections
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import harness  # noqa: E402
from harness import check, wait_until  # noqa: E402

GAS = "0xd2a4cff31913016155e38e474a2c06d08be276cf"
NEO = "0xef4073a0f2b305a38ec4050e4d3d28bc40ea63f5"
TOKENS = {"GAS": GAS, "NEO": NEO}
ACCOUNTS = 8
FUND_GAS = 60  # whole tokens for each account
FUND_NEO = 400
KILLS = 5
VECTORS = pathlib.Path(os.environ.get("ADYTON_VECTORS", str(ROOT / "tests" / "vectors")))
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


# ----- Neo, as far as it is needed to check ------------------------------------------------------


def hash_of_address(address):
    """Script hash of an address as JSON-RPC shows it; checks the checksum."""
    number = 0
    for character in address:
        number = number * 58 + BASE58.index(character)
    data = number.to_bytes(25, "big")
    body, checksum = data[:21], data[21:]
    check(hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4] == checksum, address)
    check(body[0] == 0x35, address)
    return "0x" + body[1:][::-1].hex()


def address_of_hash(raw):
    """The address of 20 bytes in wire order."""
    body = b"\x35" + raw
    data = body + hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return text


class Node:
    """One neo-go process and its JSON-RPC."""

    def __init__(self, world, binary, name, rpc_port, p2p_port, seed=None):
        self.directory = world.directory / name
        self.directory.mkdir()
        self.binary, self.name, self.rpc_port = binary, name, rpc_port
        self.url = "http://127.0.0.1:%d" % rpc_port
        vector = json.loads((VECTORS / "neo" / "privnet.json").read_text())
        self.validator, self.magic = vector["validator"], vector["magic"]
        self.committee = vector["committee_account"]["address"]
        self.wallet = self.directory / "wallet.json"
        self.wallet.write_text(json.dumps(vector["nep6_wallet"]))
        self.wallet_config = self.directory / "wallet.yml"
        self.wallet_config.write_text("Path: \"%s\"\nPassword: \"%s\"\n" % (
            self.wallet, self.validator["nep2_passphrase"]))
        config = self.directory / "node.yml"
        config.write_text(self._config(p2p_port, seed))
        self.log = self.directory / "node.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(binary), "node", "--config-file", str(config), "--relative-path",
                 str(self.directory)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=str(self.directory))
        world.stack.callback(self.stop)

    def _config(self, p2p_port, seed):
        consensus = """
  Consensus:
    Enabled: true
    UnlockWallet: {Path: "%s", Password: "%s"}""" % (
            self.wallet, self.validator["nep2_passphrase"]) if seed is None else ""
        return """ProtocolConfiguration:
  Magic: %d
  TimePerBlock: 1s
  Genesis: {TimePerBlock: 1s}
  MaxTraceableBlocks: 200000
  MemPoolSize: 50000
  ValidatorsCount: 1
  StandbyCommittee: ["%s"]
  SeedList: [%s]
  VerifyTransactions: true
ApplicationConfiguration:
  LogLevel: warn
  DBConfiguration: {Type: inmemory}
  Relay: true
  P2P: {Addresses: ["127.0.0.1:%d"], MinPeers: %d, MaxPeers: 10, DialTimeout: 3s,
        ProtoTickInterval: 1s, PingInterval: 30s, PingTimeout: 90s, AttemptConnPeers: 5}
  RPC: {Enabled: true, Addresses: ["127.0.0.1:%d"], MaxGasInvoke: 50, SessionEnabled: true}
  Prometheus: {Enabled: false}
  Pprof: {Enabled: false}%s
""" % (self.magic, self.validator["public_key"], '"%s"' % seed if seed else "", p2p_port,
            1 if seed else 0, self.rpc_port, consensus)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def call(self, method, *params):
        """The result; AssertionError for an error answer."""
        answer = self.ask(method, *params)
        check("result" in answer, method, params, "answered", answer)
        return answer["result"]

    def ask(self, method, *params):
        connection = http.client.HTTPConnection("127.0.0.1", self.rpc_port, timeout=20)
        try:
            connection.request(
                "POST", "/", headers={"Content-Type": "application/json"}, body=json.dumps(
                    {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def height(self):
        try:
            return self.call("getblockcount") - 1
        except (OSError, http.client.HTTPException):
            check(self.process.poll() is None, self.name, "ended")
            return -1

    def balance(self, token, address):
        answer = self.call("invokefunction", TOKENS[token], "balanceOf",
                           [{"type": "Hash160", "value": hash_of_address(address)}])
        check(answer["state"] == "HALT", answer)
        return int(answer["stack"][0]["value"])

    def cli(self, *arguments, timeout=60):
        done = subprocess.run([str(self.binary), *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL)
        check(done.returncode == 0, "neo-go", *arguments, done.stdout[-2000:])
        return done.stdout

    def fund(self, addresses):
        """GAS and NEO from the genesis account to each address, in one transaction."""
        items = []
        for address in addresses:
            items += ["GAS:%s:%d" % (address, FUND_GAS), "NEO:%s:%d" % (address, FUND_NEO)]
        self.cli("wallet", "nep17", "multitransfer", "--wallet-config", str(self.wallet_config),
                 "--rpc-endpoint", self.url, "--from", self.committee, "--force", "--await", *items)


# ----- the run -----------------------------------------------------------------------------------


class Network:
    def __init__(self, world, binary):
        base = harness.free_port_base(4)
        self.producer = Node(world, binary, "producer", base, base + 1)
        wait_until(lambda: self.producer.height() >= 1, 60, "the first block of neo-go")
        self.follower = Node(world, binary, "follower", base + 2, base + 3,
                             seed="127.0.0.1:%d" % (base + 1))
        wait_until(lambda: self.follower.height() >= self.producer.height() - 1 >= 1, 60,
                   "the second node follows the first")

    @property
    def urls(self):
        return "%s,%s" % (self.producer.url, self.follower.url)


class Plan:
    """One transfer that somebody wants, under one idempotency key for ever."""

    def __init__(self, source, token, amount, target):
        self.source, self.token, self.amount, self.target = source, token, amount, target
        self.key = str(uuid.uuid4())
        self.transfer_id = None


def make_plans(generator, accounts, count):
    plans = []
    addresses = [account["address"] for account in accounts]
    strangers = [address_of_hash(generator.randbytes(20)) for _ in range(5)]
    for i in range(count):
        source = accounts[i % len(accounts)]
        token = "GAS" if i % 3 else "NEO"
        amount = generator.randrange(1, 5_000_000) if token == "GAS" else generator.randrange(1, 4)
        others = [address for address in addresses if address != source["address"]]
        plans.append(Plan(source, token, amount, generator.choice(others + strangers)))
    generator.shuffle(plans)
    return plans


def insist_on(port, plan, seconds=150):
    """Asks for the transfer, with the same key, until the pool has answered that it has it."""
    client = harness.Client(port, timeout=20)
    deadline = time.monotonic() + seconds
    body = {"account_id": plan.source["id"], "to_address": plan.target, "amount": plan.amount,
            "token_address": plan.token}
    while True:
        answer = None
        try:
            answer = client.post("/transfer", body, {"Idempotency-Key": plan.key})
        except (OSError, http.client.HTTPException):
            pass  # killed: whether it took effect is for the key to say
        if answer is not None:
            if answer.status in (200, 202):
                plan.transfer_id = answer.json["transfer_id"]
                return
            retry = answer.status in (429, 500, 503, 504) or answer.reason in (
                "balance_reserved", "too_many_unfinished", "idempotency_in_progress")
            check(retry, "POST /transfer", body, "answered", answer)
        check(time.monotonic() < deadline, "POST /transfer", body, "last answered", answer)
        time.sleep(0.2)


def transfer_of(port, plan):
    try:
        answer = harness.Client(port).get("/transfers/" + plan.transfer_id)
    except (OSError, http.client.HTTPException):
        return None
    check(answer.status == 200, "GET /transfers answered", answer)
    return answer.json


def run_transfers(server, plans):
    """All at once from 20 callers, while the pool is killed and started again."""
    todo = collections.deque(plans)
    done = []

    def work(_, stopping):
        while not stopping.is_set():
            try:
                plan = todo.popleft()
            except IndexError:
                return
            insist_on(server.port, plan)
            done.append(plan)

    crowd = harness.Crowd(20, work)
    began = time.monotonic()
    kills = 0
    while len(done) < len(plans) and not crowd.errors:
        share = (kills + 1) / (KILLS + 1)
        if kills < KILLS and len(done) >= share * len(plans):
            kill_and_restart(server)
            kills += 1
        time.sleep(0.02)
        check(time.monotonic() - began < 240, "transfers are not taken:", len(done))
    for thread in crowd.threads:
        thread.join(60)
    crowd.stop()
    while kills < KILLS:  # transfers are under way still
        kill_and_restart(server)
        kills += 1
    return time.monotonic() - began


def kill_and_restart(server):
    server.kill()
    server.start().wait_ready()


def wait_until_final(server, plans, seconds=120):
    states = {}
    deadline = time.monotonic() + seconds
    while len(states) < len(plans):
        for plan in plans:
            if plan.key in states:
                continue
            record = transfer_of(server.port, plan)
            if record is not None and record["status"] in ("confirmed", "failed", "expired"):
                states[plan.key] = record
        open_ones = [plan for plan in plans if plan.key not in states]
        check(time.monotonic() < deadline, len(open_ones), "transfers are not final:",
              [transfer_of(server.port, plan) for plan in open_ones[:3]])
        time.sleep(0.3)
    return states


# ----- what the nodes say ------------------------------------------------------------------------


def transactions_of(node, senders, first, last):
    """Every transaction of these senders in the blocks: hash -> transaction."""
    out = {}
    for index in range(first, last + 1):
        for transaction in node.call("getblock", index, True)["tx"]:
            if transaction["sender"] in senders:
                out[transaction["hash"]] = transaction
    return out


def movements(node, hash_text):
    """(vmstate, [(token, from address or None, to address or None, amount)])."""
    execution = node.call("getapplicationlog", hash_text)["executions"][0]
    moved = []
    names = {contract: name for name, contract in TOKENS.items()}
    for event in execution["notifications"]:
        if event["eventname"] != "Transfer" or event["contract"] not in names:
            continue
        source, target, amount = event["state"]["value"]
        side = [address_of_hash(base64.b64decode(one["value"])) if one["type"] != "Any" else None
                for one in (source, target)]
        moved.append((names[event["contract"]], side[0], side[1], int(amount["value"])))
    return execution["vmstate"], moved


def reconcile(network, accounts, opening, plans, states, first):
    node = network.producer
    last = node.height()
    wait_until(lambda: network.follower.height() >= last, 30, "the follower catches up")
    addresses = {account["address"] for account in accounts}
    landed = transactions_of(node, addresses, first, last)
    claimed = {states[plan.key]["tx_hash"]: plan for plan in plans
               if states[plan.key]["status"] in ("confirmed", "failed")
               and states[plan.key].get("block_index") is not None}
    check(set(landed) == set(claimed), "in blocks but in no record:", set(landed) - set(claimed),
          "recorded but in no block:", set(claimed) - set(landed))
    expected = dict(opening)
    for hash_text, transaction in landed.items():
        fees = int(transaction["sysfee"]) + int(transaction["netfee"])
        plan, record = claimed[hash_text], states[claimed[hash_text].key]
        check(record["system_fee"] + record["network_fee"] == fees, record, transaction)
        expected["GAS", transaction["sender"]] -= fees
        state, moved = movements(node, hash_text)
        check((state == "HALT") == (record["status"] == "confirmed"), state, record)
        if state != "HALT":
            continue
        wanted = (plan.token, plan.source["address"], plan.target, plan.amount)
        check(moved.count(wanted) == 1, "not moved once:", wanted, moved)
        for token, source, target, amount in moved:
            if source in addresses:
                expected[token, source] -= amount
            if target in addresses:
                expected[token, target] += amount
    wrong = {}
    for (token, address), amount in expected.items():
        for one in (network.producer, network.follower):
            found = one.balance(token, address)
            if found != amount:
                wrong[one.name, token, address] = (found, amount)
    check(not wrong, "balances that differ (node, reckoned):", wrong)
    return len(landed)


def check_audit(server, plans, states):
    """One record of each transfer, and the chain of records intact."""
    export = harness.audit_export(harness.Client(server.port))
    records = [one["body"] for one in harness.audit_records(export, "pool.transfer")]
    by_id = collections.Counter(body["transfer_id"] for body in records)
    ids = {plan.transfer_id for plan in plans}
    check(set(by_id) == ids and max(by_id.values()) == 1, "records:", len(records))
    hashes = {body["transfer_id"]: body["tx_hash"] for body in records}
    for plan in plans:
        check(hashes[plan.transfer_id] == states[plan.key]["tx_hash"], plan.transfer_id)
    server.world.verify_audit(export)


def nodes_usable(client):
    """How many nodes the pool says it can use; /info shows them."""
    info = client.get("/info").json
    neo = info.get("neo") or info["statistics"]["neo"]
    return sum(node["usable"] for node in neo["nodes"])


def two_hundred_transfers(world, binary, count):
    network = Network(world, binary)
    settings = ["neo.rpc_urls=" + network.urls, "neo.network=%d" % network.producer.magic,
                "neo.probe_period=500ms", "pool.min_accounts=%d" % ACCOUNTS]
    server = world.pool(settings=settings)
    client = harness.Client(server.port)
    wait_until(lambda: client.get("/pool-info").json["active_accounts"] >= ACCOUNTS, 30, "accounts")
    held = client.request(ACCOUNTS, ttl_seconds=3600, purpose="interop")
    accounts = held["accounts"]
    network.producer.fund([account["address"] for account in accounts])
    opening = {(token, account["address"]): network.producer.balance(token, account["address"])
               for token in TOKENS for account in accounts}
    check(all(opening["GAS", account["address"]] == FUND_GAS * 10**8 and
              opening["NEO", account["address"]] == FUND_NEO for account in accounts), opening)
    wait_until(lambda: network.follower.height() >= network.producer.height() - 1, 30,
               "the follower keeps up")
    wait_until(lambda: nodes_usable(client) == 2, 30, "the pool uses both nodes")
    first = network.producer.height() + 1

    seed = int(os.environ.get("ADYTON_INTEROP_SEED", "0")) or random.SystemRandom().randrange(2**32)
    print("seed %d; %s" % (seed, network.producer.call("getversion")["useragent"]))
    plans = make_plans(random.Random(seed), accounts, count)
    seconds = run_transfers(server, plans)
    check(len({plan.transfer_id for plan in plans}) == count, "two keys share a transfer")
    states = wait_until_final(server, plans)
    outcomes = collections.Counter(record["status"] for record in states.values())
    reasons = collections.Counter(record.get("reason") for record in states.values()
                                  if record["status"] != "confirmed")
    print("%d transfers taken in %.1f s with %d kills: %s %s" % (
        count, seconds, KILLS, dict(outcomes), dict(reasons)))
    landed = reconcile(network, accounts, opening, plans, states, first)
    check(outcomes["confirmed"] == count, "not all confirmed:", outcomes, reasons)
    check_audit(server, plans, states)
    print("%d transactions in blocks, %d balances equal on both nodes to the last digit" % (
        landed, len(opening)))
    server.terminate()


def wrong_network(world, binary):
    """A pool that is told another magic than the nodes' signs and sends nothing."""
    network = Network(world, binary)
    server = world.pool(settings=["neo.rpc_urls=" + network.urls, "neo.network=860833102",
                                  "pool.min_accounts=1"])
    client = harness.Client(server.port)
    wait_until(lambda: client.get("/pool-info").json["active_accounts"] >= 1, 30, "an account")
    account = client.request(1)["accounts"][0]
    answer = client.post("/transfer", {"account_id": account["id"], "amount": 1,
                                       "to_address": network.producer.committee})
    check(answer.status == 503, "POST /transfer answered", answer)
    export = harness.audit_export(client)
    check(not harness.audit_records(export, "pool.transfer"), "something was signed")


CASES = {
    "transfers_through_crashes_reconcile_to_the_last_digit": two_hundred_transfers,
    "nothing_is_signed_for_another_network": lambda world, binary, _: wrong_network(world, binary),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--neo-go", required=True, type=pathlib.Path)
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--transfers", type=int, default=200)
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    suite = ElementTree.Element("testsuite", name="neo-go")
    failed = 0
    for name in arguments.cases or CASES:
        began = time.monotonic()
        case = ElementTree.SubElement(suite, "testcase", name=name, classname="neo-go")
        with tempfile.TemporaryDirectory(prefix="adyton-neo-go.") as directory:
            world = None
            try:
                with contextlib.ExitStack() as stack:
                    world = harness.World(pathlib.Path(directory), stack)
                    CASES[name](world, arguments.neo_go.resolve(), arguments.transfers)
            except Exception as error:
                failed += 1
                traceback.print_exc()
                for log in sorted(pathlib.Path(directory).glob("**/*.log")):
                    print("--- the end of %s" % log.name)
                    print("\n".join(log.read_text(errors="replace").splitlines()[-25:]))
                ElementTree.SubElement(case, "failure", message=str(error)[:500])
        seconds = time.monotonic() - began
        case.set("time", "%.1f" % seconds)
        print("%s: %s (%.1f s)" % ("FAILED" if case.find("failure") is not None else "passed",
                                   name, seconds), flush=True)
    if arguments.report:
        ElementTree.ElementTree(suite).write(arguments.report, encoding="unicode")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
