#!/usr/bin/env python3
"""The signed bytes of the receipt in src/compute/receipt_test.cpp, built by another program.

Writes receipt.transcript.hex. receipt.json (the same receipt with its signatures, which are
deterministic) is checked against these bytes by the test and is not written here.
"""

import hashlib
import pathlib
import struct


def transcript(kind, fields):
    out = b"adyton/" + kind.encode() + b"/v1\0" + struct.pack(">H", len(fields))
    for tag, value in fields:
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, int):
            value = struct.pack(">Q", value)
        out += struct.pack(">BI", tag, len(value)) + value
    return out


def sha256(value):
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).digest()


def numbered(values):
    return list(enumerate(values, 1))


SCRIPT = "function main() { return { result: input.a + input.b }; }"
# The public keys that the master key 00 01 ... 1f gives: as published by /info.
ED25519 = "94a1fd6c84826c7175ef06814ede8142127622e2f5398decb50b75662e748589"
P256 = "039e8a3562d20bf2d1988c87930699d24cc739d4e7a06180e92357e0edb0fc81df"

FIELDS = numbered([
    "3f0c9a52-6b1e-4c55-9f4d-2f6a5b7c8d90", "user-1", sha256(SCRIPT), "main", "app", "plain",
    sha256('{"a":5,"b":3}'),
    transcript("receipt-secrets", numbered(["user-1", "api_key", 3, "user-2", "shared", 1])),
    sha256("fetches"), 570, 123456,
    transcript("receipt-limits", numbered([30000, 67108864, 0, 16])),
    "guard_pages,own_process", "completed", "", sha256('{"result":8}'), b"",
    sha256(transcript("receipt-console", numbered(["log", "hello", "warn", "careful"]))),
    1763672000123456, 1763672000223456, "1.0.0", "quickjs-ng test",
    bytes.fromhex(ED25519), bytes.fromhex(P256)])

pathlib.Path(__file__).with_name("receipt.transcript.hex").write_text(
    transcript("receipt", FIELDS).hex() + "\n")
