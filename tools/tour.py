#!/usr/bin/env python3
"""The pool's main job before your eyes: request two accounts, sign, verify with OpenSSL, release.

Every step is printed as the curl command that does the same. Standard library only.
"""
import argparse
import base64
import json
import secrets
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

SERVICE = "tour"
# SubjectPublicKeyInfo of a compressed point on secp256r1, up to the point itself (RFC 5480).
SPKI_PREFIX = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")


def call(pool, path, body=None):
    command = "$ curl -s -H 'X-Service-ID: %s'" % SERVICE
    if body is not None:
        command += " -d '%s'" % json.dumps(body)
    print("%s %s%s" % (command, pool, path))
    request = urllib.request.Request(
        pool + path, None if body is None else json.dumps(body).encode(),
        {"X-Service-ID": SERVICE, "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        sys.exit("%s answered %d: %s" % (path, refused.code, refused.read().decode()))


def der_integer(big_endian):
    digits = big_endian.lstrip(b"\0") or b"\0"
    if digits[0] & 0x80:
        digits = b"\0" + digits
    return b"\x02" + bytes([len(digits)]) + digits


def openssl_accepts(digest, signature, public_key):
    """Does OpenSSL's command line say that signature (r || s) of digest is by public_key?"""
    integers = der_integer(signature[:32]) + der_integer(signature[32:])
    with tempfile.TemporaryDirectory() as folder:
        def put(name, content):
            with open("%s/%s" % (folder, name), "wb") as out:
                out.write(content)
        put("key.der", SPKI_PREFIX + public_key)
        put("digest", digest)
        put("signature.der", b"\x30" + bytes([len(integers)]) + integers)
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key.der",
             "-sigfile", "signature.der", "-in", "digest"],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode == 0 and b"Signature Verified Successfully" in done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pool", required=True, help="base URL, for example http://127.0.0.1:8081")
    pool = parser.parse_args().pool

    info = call(pool, "/pool-info")
    print("  the pool has %d accounts, %d of them free\n" %
          (info["total_accounts"], info["active_accounts"]))

    given = call(pool, "/request", {"count": 2, "purpose": "a look around"})
    accounts = given["accounts"]
    if len({one["address"] for one in accounts}) != 2:
        sys.exit("asked for two accounts, got %r" % accounts)
    for one in accounts:
        print("  account %s  address %s" % (one["id"], one["address"]))
    print()

    digest = secrets.token_bytes(32)
    signed = call(pool, "/sign", {
        "account_id": accounts[0]["id"], "tx_hash": base64.b64encode(digest).decode()})
    signature = base64.b64decode(signed["signature"])
    public_key = base64.b64decode(signed["public_key"])
    print("  signature %s" % signature.hex())
    print("$ openssl pkeyutl -verify -pubin -inkey key.der -sigfile signature.der -in digest")
    if not openssl_accepts(digest, signature, public_key):
        sys.exit("OpenSSL refuses the signature")
    # A check that cannot fail is none: one bit off must be refused.
    if openssl_accepts(bytes([digest[0] ^ 1]) + digest[1:], signature, public_key):
        sys.exit("OpenSSL accepts the signature for another digest")
    print("  Signature Verified Successfully, and refused for another digest\n")

    released = call(pool, "/release", {"lock_id": given["lock_id"]})
    if released["released_count"] != 2:
        sys.exit("released %r accounts in place of 2" % released["released_count"])
    print("  released 2 accounts")


if __name__ == "__main__":
    main()
