#!/usr/bin/env python3
"""The main job of the account pool, before your eyes: request two accounts, sign a digest, verify
the signature with the openssl command, release the accounts. `tools/dev up` runs it.

  tests/e2e/main_job.py --base-url http://127.0.0.1:8085

Exit code: 0 when everything held, 1 when not."""

import argparse
import base64
import hashlib
import json
import sys
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


def run(base_url, service):
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
    parser.add_argument("--service", default="neocompute", help="X-Service-ID (development mode)")
    arguments = parser.parse_args()
    try:
        run(arguments.base_url.rstrip("/"), arguments.service)
    except Failed as error:
        print("error: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
