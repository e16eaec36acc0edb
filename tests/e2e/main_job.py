#!/usr/bin/env python3
"""The main job of the account pool, before your eyes: request two accounts, sign a digest, verify
the signature with the openssl command, release the accounts. With the local Neo chain of `adyton
dev` also: give one account GAS, move some to the other, wait until it is confirmed, and show what
the transaction says. `tools/dev up` runs it.

  tests/e2e/main_job.py --base-url http://127.0.0.1:8085 --neo-rpc http://127.0.0.1:50012

Exit code: 0 when everything held, 1 when not."""

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

import crypto_check


class Failed(Exception):
    pass


def call(base_url, service, method, path, body=None):
    headers = {"X-Service-ID": service, "X-Trace-ID": str(uuid.uuid4())}
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
        headers["Idempotency-Key"] = str(uuid.uuid4())
    request = urllib.request.Request(base_url + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise Failed("%s %s: %d %s" % (method, path, error.code, error.read().decode())) from error
    except OSError as error:
        raise Failed("%s %s: %s" % (method, path, error)) from error


def demand(condition, text):
    if not condition:
        raise Failed(text)


def ask_node(url, method, *params):
    """The node's result, or None while it does not know."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read()).get("result")
    except OSError as error:
        raise Failed("%s %s: %s" % (url, method, error)) from error


def gas_of(url, address):
    for balance in ask_node(url, "getnep17balances", address)["balance"]:
        if balance["symbol"] == "GAS":
            return int(balance["amount"])
    return 0


def until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        demand(time.monotonic() < deadline, "not within %d s: %s" % (seconds, what))
        time.sleep(0.2)


def move_gas(base_url, service, node, adyton, accounts):
    """10 GAS from the faucet to the first account, 2.5 of them on to the second."""
    sender, receiver = accounts
    before = gas_of(node, sender["address"])
    paid = ask_node(node, "adyton_faucet",
                    {"address": sender["address"], "token": "GAS", "amount": "1000000000"})
    demand(paid is not None, "the faucet does not pay")
    until(lambda: gas_of(node, sender["address"]) == before + 1000000000, 20,
          "the faucet's payment in a block")
    print("funded      10 GAS to %s from the local chain's faucet" % sender["address"])

    held = gas_of(node, receiver["address"])
    done = call(base_url, service, "POST", "/transfer",
                {"account_id": sender["id"], "to_address": receiver["address"],
                 "amount": "250000000", "token_address": "GAS", "wait_seconds": 20})
    until(lambda: call(base_url, service, "GET", "/transfers/" + done["transfer_id"])["status"]
          == "confirmed", 30, "the transfer confirmed")
    final = call(base_url, service, "GET", "/transfers/" + done["transfer_id"])
    print("transferred 2.5 GAS to %s: %s in block %d" % (
        receiver["address"], final["status"], final["block_index"]))
    demand(gas_of(node, receiver["address"]) == held + 250000000, "the receiver's balance")
    fees = before + 1000000000 - 250000000 - gas_of(node, sender["address"])
    demand(fees == int(final["system_fee"]) + int(final["network_fee"]), "fees of %d" % fees)

    signed = ask_node(node, "getrawtransaction", final["tx_hash"])
    network = ask_node(node, "getversion")["protocol"]["network"]
    explained = subprocess.run([adyton, "tool", "neo-tx", "explain", "--network", str(network),
                                signed], stdout=subprocess.PIPE, text=True, timeout=30)
    demand(explained.returncode == 0, "adyton tool neo-tx explain failed")
    said = "transfer 2.5 GAS from %s to %s" % (sender["address"], receiver["address"])
    demand(said in explained.stdout and "Understood   yes" in explained.stdout,
           "not explained: " + explained.stdout)
    print("explained   %s" % explained.stdout.strip().replace("\n", "\n            "))


def run(base_url, service, node, adyton):
    before = call(base_url, service, "GET", "/pool-info")
    print("pool        %d accounts, %d free" % (before["total_accounts"],
                                                before["active_accounts"]))
    asked = call(base_url, service, "POST", "/request",
                 {"count": 2, "purpose": "main job", "ttl_seconds": 600})
    accounts = asked["accounts"]
    demand(len(accounts) == 2 and accounts[0]["id"] != accounts[1]["id"], "not two accounts")
    for account in accounts:
        print("requested   %s  %s" % (account["address"], account["id"]))

    digest = hashlib.sha256(b"Adyton main job " + uuid.uuid4().bytes).digest()
    signed = call(base_url, service, "POST", "/sign",
                  {"account_id": accounts[0]["id"], "tx_hash": base64.b64encode(digest).decode()})
    signature = base64.b64decode(signed["signature"], validate=True)
    public_key = base64.b64decode(signed["public_key"], validate=True)
    print("digest      %s" % digest.hex())
    print("public key  %s" % public_key.hex())
    print("signature   %s" % signature.hex())
    demand(crypto_check.openssl_verifies(public_key, digest, signature),
           "openssl refuses the signature")
    other = bytes([digest[0] ^ 1]) + digest[1:]
    demand(not crypto_check.openssl_verifies(public_key, other, signature),
           "openssl accepts the signature for another digest")
    demand(crypto_check.is_low_s(signature), "s is in the upper half")
    demand(crypto_check.neo_address(public_key) == accounts[0]["address"],
           "the public key does not belong to the account's address")
    print("verified    by the openssl command; the key belongs to %s" % accounts[0]["address"])

    if node:
        move_gas(base_url, service, node, adyton, accounts)

    released = call(base_url, service, "POST", "/release", {"lock_id": asked["lock_id"]})
    demand(released["released_count"] == 2, "released %s accounts" % released["released_count"])
    left = call(base_url, service, "GET", "/accounts")["accounts"]
    ours = {account["id"] for account in accounts}
    demand(not ours & {account["id"] for account in left}, "still held after the release")
    print("released    2 accounts")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", "--pool", default="http://127.0.0.1:8085",
                        help="the pool's URL (default: %(default)s)")
    parser.add_argument("--neo-rpc", help="the local Neo chain's URL: also do a transfer")
    parser.add_argument("--adyton", default="build/release/bin/adyton",
                        help="the program that explains the transaction (default: %(default)s)")
    parser.add_argument("--service", default="neocompute", help="X-Service-ID (development mode)")
    arguments = parser.parse_args()
    try:
        run(arguments.base_url.rstrip("/"), arguments.service, arguments.neo_rpc,
            arguments.adyton)
    except Failed as error:
        print("error: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
