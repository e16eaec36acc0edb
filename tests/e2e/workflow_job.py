#!/usr/bin/env python3
"""A workflow before your eyes: a wallet of the keystore gets wNEAR inside the intents contract from
the local chain's faucet, three transfers run in order through the gate, and the evidence is checked
offline and against the chain. `tools/dev up` runs it.

  tests/e2e/workflow_job.py --coordinator http://127.0.0.1:8080 --keystore http://127.0.0.1:8087 \\
      --near-rpc http://127.0.0.1:3030

Exit code: 0 when everything held, 1 when not."""

import argparse
import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid

TOKEN = "nep141:wrap.near"


class Failed(Exception):
    pass


def demand(condition, text):
    if not condition:
        raise Failed(text)


def adyton(arguments, *command, good=0):
    done = subprocess.run([arguments.adyton, *command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=240)
    demand(done.returncode == good, "adyton %s: %d\n%s%s" % (
        " ".join(command), done.returncode, done.stdout, done.stderr))
    return done.stdout


def ask_node(arguments, method, params):
    body = json.dumps({"jsonrpc": "2.0", "id": "1", "method": method, "params": params}).encode()
    request = urllib.request.Request(arguments.near_rpc, data=body,
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        said = json.loads(answer.read())
    demand("result" in said, "%s: %s" % (method, said))
    return said["result"]


def intents_balance(arguments, account):
    args = base64.b64encode(json.dumps({"account_id": account, "token_id": TOKEN}).encode())
    view = ask_node(arguments, "query", {
        "request_type": "call_function", "finality": "final", "account_id": "intents.near",
        "method_name": "mt_balance_of", "args_base64": args.decode()})
    return int(json.loads(bytes(view["result"])))


def until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        demand(time.monotonic() < deadline, "not within %d s: %s" % (seconds, what))
        time.sleep(0.3)


def run(arguments, folder):
    wallet = str(uuid.uuid4())
    adyton(arguments, "wallet", "create", "--id", wallet, "--url", arguments.keystore)
    account = json.loads(adyton(arguments, "wallet", "address", wallet, "--url",
                                arguments.keystore))["address"]
    print("wallet      %s is %s" % (wallet, account))
    ask_node(arguments, "adyton_faucet",
             {"account_id": account, "amount": "1000000", "token": "intents"})
    until(lambda: intents_balance(arguments, account) == 1000000, 30, "the faucet's payment")
    print("funded      1000000 yocto wNEAR inside intents.near")

    workflow = folder / "workflow.json"
    receivers = ["%s-%d.near" % (uuid.uuid4().hex[:12], i) for i in range(3)]
    workflow.write_text(json.dumps({"steps": [
        {"kind": "intents.transfer", "token": TOKEN, "amount": str(1000 + i),
         "receiver_id": receiver, "gate_batch": "job"} for i, receiver in enumerate(receivers)]}))
    to = ["--wallet", wallet, "--url", arguments.coordinator]
    planned = json.loads(adyton(arguments, "wallet", "workflow", "plan", str(workflow), *to))
    demand([step["lane"] for step in planned["steps"]] == ["gate_proxy"] * 3, planned)
    began = time.monotonic()
    record = json.loads(adyton(arguments, "wallet", "workflow", "run", str(workflow), *to,
                               "--idempotency-key", "job-" + wallet, "--json"))
    demand(record["status"] == "succeeded", record)
    heights = record["dispatch_block_heights"]
    demand(heights == sorted(set(heights)) and len(heights) == 3, heights)
    print("executed    %s in %.1f s: dispatched at blocks %s, in order" % (
        record["request_id"], time.monotonic() - began, ", ".join(map(str, heights))))
    for i, receiver in enumerate(receivers):
        until(lambda r=receiver, n=i: intents_balance(arguments, r) == 1000 + n, 10, receiver)
    print("moved       1000, 1001 and 1002 to %s" % ", ".join(receivers))

    bundle = folder / "evidence.json"
    bundle.write_text(adyton(arguments, "wallet", "workflow", "evidence", record["request_id"],
                             *to))
    said = adyton(arguments, "verify", "workflow", str(bundle), "--rpc", arguments.near_rpc)
    demand("all holds" in said, said)
    print("verified    %s" % said.strip().replace("\n", "\n            "))
    spoiled = json.loads(bundle.read_text())
    spoiled["statement"]["dispatches"][0]["block_height"] = "1"
    bundle.write_text(json.dumps(spoiled))
    adyton(arguments, "verify", "workflow", str(bundle), good=1)
    print("refused     the same with one height changed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coordinator", default="http://127.0.0.1:8080")
    parser.add_argument("--keystore", default="http://127.0.0.1:8087")
    parser.add_argument("--near-rpc", default="http://127.0.0.1:3030")
    parser.add_argument("--adyton", default="build/release/bin/adyton")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            run(arguments, pathlib.Path(folder))
    except (Failed, OSError, ValueError, KeyError) as error:
        print("error: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
