"""Checks of what Adyton signs that share no code with it: the openssl command line and hashlib."""

import hashlib
import os
import subprocess
import tempfile

# SubjectPublicKeyInfo of a compressed P-256 point, up to the point: id-ecPublicKey, prime256v1.
SPKI_PREFIX = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
P256_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _der_integer(value):
    body = value.to_bytes((value.bit_length() // 8) + 1, "big")
    return b"\x02" + bytes([len(body)]) + body


def der_signature(raw):
    """ECDSA-Sig-Value of r || s."""
    assert len(raw) == 64, "a signature is 64 bytes, not %d" % len(raw)
    body = _der_integer(int.from_bytes(raw[:32], "big")) + _der_integer(
        int.from_bytes(raw[32:], "big"))
    return b"\x30" + bytes([len(body)]) + body


def openssl_verifies(public_key, digest, signature):
    """Whether the openssl command accepts r || s over the 32 bytes, taken as the digest itself."""
    assert len(public_key) == 33 and len(digest) == 32
    with tempfile.TemporaryDirectory() as directory:
        paths = {}
        for name, content in (("key", SPKI_PREFIX + public_key), ("digest", digest),
                              ("signature", der_signature(signature))):
            paths[name] = os.path.join(directory, name)
            with open(paths[name], "wb") as file:
                file.write(content)
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths["key"],
             "-in", paths["digest"], "-sigfile", paths["signature"]],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    return done.returncode == 0 and "Verified Successfully" in done.stdout


def is_low_s(signature):
    return int.from_bytes(signature[32:], "big") <= P256_N // 2


def neo_address(public_key):
    """The Neo N3 address of a compressed public key, from the protocol's own description."""
    script = b"\x0c\x21" + public_key + b"\x41\x56\xe7\xb3\x27"
    payload = b"\x35" + hashlib.new("ripemd160", hashlib.sha256(script).digest()).digest()
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return text
