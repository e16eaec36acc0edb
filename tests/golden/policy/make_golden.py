#!/usr/bin/env python3
"""Writes approval.txt: what approvers sign, computed apart from the C++ code (enclave.md 3.6).

The signatures are made with the Python package `cryptography`; P-256 ones differ from run to run.
"""
import hashlib
import pathlib
import struct

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils


def transcript(kind, fields):
    out = b"adyton/" + kind.encode() + b"/v1\0" + struct.pack(">H", len(fields))
    for tag, value in fields:
        out += struct.pack(">BI", tag, len(value)) + value
    return out


def number(value):
    return value.to_bytes(16, "big")


def text(value):
    return number(len(value.encode())) + value.encode()


def facts():
    """One NEAR call with a deposit and a token movement, and a fee."""
    action = text("call") + b"\1" + text("wrap.near") + text("ft_transfer")
    action += number(1) + number(30_000_000_000_000) + b"\0"
    action += number(1)
    action += text("nep141:wrap.near") + text("alice.near") + text("bob.near") + number(2**127 + 5)
    actions = number(1) + number(len(action)) + action
    fees = text("g") + number(7)
    return transcript("policy-facts", [
        (1, b"near:mainnet"), (2, b"alice.near"), (3, hashlib.sha256(actions).digest()),
        (4, fees), (5, struct.pack(">Q", 1))])


facts_digest = hashlib.sha256(facts()).digest()
operation = hashlib.sha256(transcript("policy-operation", [
    (1, b"wallet:w-1"), (2, facts_digest), (3, hashlib.sha256(b"payload").digest())])).digest()


def approval(decision):
    return hashlib.sha256(transcript("approval", [
        (1, b"request-1"), (2, b"wallet:w-1"), (3, operation),
        (4, struct.pack(">Q", 1_795_255_800_000_000)), (5, b"ann"), (6, decision)])).hexdigest()


lines = {
    "facts": facts_digest.hex(),
    "operation": operation.hex(),
    "approval.approve": approval(b"approve"),
    "approval.reject": approval(b"reject"),
}
digest = bytes.fromhex(lines["approval.approve"])
ed_key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
lines["ed25519.key"] = ed_key.public_key().public_bytes_raw().hex()
lines["ed25519.signature"] = ed_key.sign(digest).hex()
p256_key = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())
lines["p256.key"] = p256_key.public_key().public_bytes(
    serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint).hex()
r, s = utils.decode_dss_signature(
    p256_key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
lines["p256.signature"] = (r.to_bytes(32, "big") + s.to_bytes(32, "big")).hex()
pathlib.Path(__file__).with_name("approval.txt").write_text(
    "".join(f"{name} {value}\n" for name, value in lines.items()))
