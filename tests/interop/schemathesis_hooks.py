"""Makes generated requests reach deeper than the first refusal.

A random service, account, lock or digest is refused at once (403, 404, 400), so valid cases often get
the caller's own service, an account and a lock that it holds, and 32 bytes to sign; invalid cases stay
as they are. What a generated /request locked is given back and what a generated /freeze froze is
thawed, or the pool would soon run dry and answer 503 or 423 to everything, as it should then.
"""
import base64
import hashlib
import json
import os
import urllib.request

import schemathesis
from schemathesis.generation import GenerationMode

POOL = os.environ["ADYTON_POOL_URL"]
SERVICE = "interop"
_held = {}


def _post(path, body):
    request = urllib.request.Request(
        POOL + path, json.dumps(body).encode(),
        {"Content-Type": "application/json", "X-Service-ID": SERVICE})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def _get(path):
    request = urllib.request.Request(POOL + path, headers={"X-Service-ID": SERVICE})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def _holding():
    """Five accounts under one lock: {"lock_id": ..., "accounts": [...]}"""
    if not _held:
        _held.update(_post("/request", {"count": 5}))
    return _held


def _dice(value, sides):
    """A number below sides that depends on the case only: a failing case stays the same when rerun."""
    digest = hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).digest()
    return int.from_bytes(digest[:4], "big") % sides


def _deepen(value, salt):
    if isinstance(value, list):
        return [_deepen(one, salt + 1) for one in value]
    if not isinstance(value, dict):
        return value
    deeper = {key: _deepen(one, salt + 1) for key, one in value.items()}
    roll = _dice([value, salt], 8)
    if "service_id" in deeper and roll != 0:
        deeper["service_id"] = SERVICE
    if "account_id" in deeper and roll > 1:
        deeper["account_id"] = _holding()["accounts"][roll % 5]["id"]
    if "lock_id" in deeper and roll > 3:
        deeper["lock_id"] = _holding()["lock_id"]
    if "tx_hash" in deeper and roll > 1:
        deeper["tx_hash"] = base64.b64encode(hashlib.sha256(bytes([roll])).digest()).decode()
    return deeper


@schemathesis.hook
def map_case(context, case):
    mode = case.meta.generation.mode if case.meta is not None else None
    if mode == GenerationMode.POSITIVE:
        case.body = _deepen(case.body, 0)
        if isinstance(case.query, dict) and "service_id" in case.query:
            case.query["service_id"] = SERVICE
    return case


@schemathesis.hook
def after_call(context, case, response):
    path = case.operation.path
    if response.status_code != 200:
        return
    if path == "/request":
        _post("/release", {"lock_id": json.loads(response.content)["lock_id"]})
    if path == "/release":
        _held.clear()  # it may have given back what we hold
    if path == "/freeze":
        for one in json.loads(_get("/freezes"))["freezes"]:
            _post("/unfreeze", {"scope": one["scope"], "subject": one.get("subject")})
