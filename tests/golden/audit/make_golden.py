#!/usr/bin/env python3
"""Writes the golden files of the transcripts and of the audit export, from the format's text alone.

An implementation apart from ours, so that the tests compare two of them: run it only when the format
changes (and then its version changes too). Python 3.9, standard library only.

    python3 tests/golden/audit/make_golden.py
"""
import hashlib
import hmac
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent


# --- Ed25519 (RFC 8032, 5.1), slow and simple ---
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P)
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P != 0:
        x = x * I % P
    return P - x if x & 1 != sign else x


GY = 4 * pow(5, P - 2, P) % P
GX = recover_x(GY, 0)
G = (GX, GY, 1, GX * GY % P)


def add(a, b):
    A = (a[1] - a[0]) * (b[1] - b[0]) % P
    B = (a[1] + a[0]) * (b[1] + b[0]) % P
    C = 2 * a[3] * b[3] * D % P
    E = 2 * a[2] * b[2] % P
    e, f, g, h = B - A, E - C, E + C, B + A
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(s, point):
    out = (0, 1, 1, 0)
    while s > 0:
        if s & 1:
            out = add(out, point)
        point = add(point, point)
        s >>= 1
    return out


def compress(point):
    z = pow(point[2], P - 2, P)
    x, y = point[0] * z % P, point[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def expand(seed):
    digest = hashlib.sha512(seed).digest()
    a = int.from_bytes(digest[:32], "little")
    a &= (1 << 254) - 8
    a |= 1 << 254
    return a, digest[32:]


def public_key(seed):
    return compress(multiply(expand(seed)[0], G))


def sign(seed, message):
    a, prefix = expand(seed)
    key = compress(multiply(a, G))
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % Q
    R = compress(multiply(r, G))
    h = int.from_bytes(hashlib.sha512(R + key + message).digest(), "little") % Q
    return R + ((r + h * a) % Q).to_bytes(32, "little")


def hkdf(key, salt, info):
    pseudo = hmac.new(salt, key, hashlib.sha256).digest()
    return hmac.new(pseudo, info + b"\x01", hashlib.sha256).digest()


# --- transcripts ---
def transcript(kind, fields):
    out = b"adyton/" + kind.encode() + b"/v1\0" + struct.pack(">H", len(fields))
    for tag, value in fields:
        if isinstance(value, str):
            value = value.encode()
        elif isinstance(value, int):
            value = struct.pack(">Q", value)
        out += struct.pack(">BI", tag, len(value)) + value
    return out


def sha256(data):
    return hashlib.sha256(data).digest()


# --- the export's JSON: compact, and escaped as Go's encoder does ---
def text(value):
    out = json.dumps(value, ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        out = out.replace(char, "\\u%04x" % ord(char))
    return out


def time(microseconds):
    seconds, fraction = divmod(microseconds, 1000000)
    import datetime
    base = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    shown = base.strftime("%Y-%m-%dT%H:%M:%S")
    if fraction:
        shown += (".%06d" % fraction).rstrip("0")
    return shown + "Z"


SEED = bytes(range(32))
KEY = public_key(SEED)
START = 1769607072123456  # 2026-01-28T13:31:12.123456Z

CHAINS = [(1, "instance-a"), (2, "instance-b")]
# chain, sequence, microseconds after START, kind, actor, stored body, shown as JSON
RECORDS = [
    (1, 1, 0, "pool.request", "neocompute", '{"accounts":["a","b"],"count":2}', True),
    (1, 2, 876544, "pool.sign", "neocompute",
     '{"digest":"00ff","note":"\\u003c\\u0026\\u003e \\u2028 é \\n","amount":340282366920938463463374607431768211455}',
     True),
    (2, 1, 1500000, "policy.deny", "system:rotate", '{ "spaced": 1.50 }', False),
    (1, 3, 2000001, "pool.release", "caller with space é", '{}', True),
    (1, 4, 3000010, "pool.sign", "neocompute", '{"digest":"aa"}', True),
]
CHECKPOINT_TIMES = [1700000, 2500000]


def genesis(chain, instance):
    return sha256(transcript("audit-chain", [(1, chain), (2, instance)]))


def record_line(record, previous, digest):
    chain, sequence, after, kind, actor, body, as_json = record
    shown = '"body":' + body if as_json else '"body_text":' + text(body)
    return (
        '{"type":"record","chain":%d,"sequence":%d,"recorded_at":"%s","kind":%s,"actor":%s,%s,'
        '"previous_hash":"%s","hash":"%s"}\n' % (
            chain, sequence, time(START + after), text(kind), text(actor), shown, previous.hex(),
            digest.hex()))


def build():
    golden = {}
    attest = transcript("attest", [
        (1, "neoaccounts"), (2, "pool-master"), (3, b"\x02" * 33), (7, b""), (8, 1763672000)])
    golden["attest"] = attest.hex()
    golden["attest.sha256"] = sha256(attest).hex()
    golden["attest.sha512"] = hashlib.sha512(attest).hexdigest()
    golden["large.sha256"] = sha256(transcript("audit-record", [(6, "a" * 70000)])).hex()
    golden["checkpoint_key"] = public_key(
        hkdf(b"test-master-key-32-bytes-long!!!", b"adyton/audit-checkpoint/v1", b"ed25519")).hex()
    golden["public_key"] = KEY.hex()

    heads = {chain: (0, genesis(chain, instance)) for chain, instance in CHAINS}
    lines = ['{"type":"header","format":"adyton/audit-export/v1","exported_at":"%s"}\n' % time(
        START + 10000000)]
    for chain, instance in CHAINS:
        golden["genesis.%d" % chain] = genesis(chain, instance).hex()
        lines.append('{"type":"chain","chain":%d,"instance_id":%s,"genesis_hash":"%s"}\n' % (
            chain, text(instance), genesis(chain, instance).hex()))

    def add_record(record):
        chain, sequence, after, kind, actor, body, _ = record
        previous = heads[chain][1]
        whole = transcript("audit-record", [
            (1, chain), (2, sequence), (3, START + after), (4, kind), (5, actor), (6, body),
            (7, previous)])
        digest = sha256(whole)
        heads[chain] = (sequence, digest)
        golden["record.%d.%d" % (chain, sequence)] = digest.hex()
        lines.append(record_line(record, previous, digest))

    previous = bytes(32)

    def add_checkpoint(number):
        nonlocal previous
        standing = [(c, s, h) for c, (s, h) in sorted(heads.items()) if s > 0]
        packed = b"".join(struct.pack(">QQ", c, s) + h for c, s, h in standing)
        created = START + CHECKPOINT_TIMES[number - 1]
        whole = transcript("audit-checkpoint", [
            (1, number), (2, created), (3, previous), (4, packed), (5, KEY)])
        golden["checkpoint.%d" % number] = whole.hex()
        shown = ",".join(
            '{"chain":%d,"sequence":%d,"hash":"%s"}' % (c, s, h.hex()) for c, s, h in standing)
        lines.append(
            '{"type":"checkpoint","number":%d,"created_at":"%s","previous_hash":"%s",'
            '"heads":[%s],"public_key":"%s","signature":"%s"}\n' % (
                number, time(created), previous.hex(), shown, KEY.hex(), sign(SEED, whole).hex()))
        previous = sha256(whole)

    for record in RECORDS[:3]:
        add_record(record)
    add_checkpoint(1)
    add_record(RECORDS[3])
    add_checkpoint(2)
    add_record(RECORDS[4])

    digest = sha256("".join(lines).encode())
    whole = transcript("audit-export", [(1, digest), (2, 2), (3, 5), (4, 2), (5, KEY)])
    golden["trailer"] = whole.hex()
    lines.append(
        '{"type":"trailer","chains":2,"records":5,"checkpoints":2,"sha256":"%s",'
        '"public_key":"%s","signature":"%s"}\n' % (
            digest.hex(), KEY.hex(), sign(SEED, whole).hex()))
    return golden, "".join(lines)


if __name__ == "__main__":
    values, export = build()
    (HERE / "transcripts.txt").write_text(
        "".join("%s %s\n" % pair for pair in sorted(values.items())), encoding="utf-8")
    (HERE / "export.jsonl").write_text(export, encoding="utf-8")
