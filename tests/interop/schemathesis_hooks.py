"""Makes generated requests reach deeper than the first refusal.

A random service_id or account_id is refused at once (403, 404), so valid cases often get the caller's
own service and an account that it holds; invalid cases stay as they are. Accounts that a generated
/request locked are given back, so that the pool does not run dry and answer 503, as it should then.
"""
import hashlib
import json
import os
import urllib.request

import schemathesis
from schemathesis.generation import GenerationMode

POOL = os.environ["ADYTON_POOL_URL"]
SERVICE = "interop"
_held = []


def _post(path, body):
    request = urllib.request.Request(
        POOL + path, json.dumps(body).encode(),
        {"Content-Type": "application/json", "X-Service-ID": SERVICE})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def _held_accounts():
    if not _held:
        _held.extend(one["id"] for one in _post("/request", {"count": 5})["accounts"])
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
        deeper["account_id"] = _held_accounts()[roll % 5]
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
    if response.status_code == 200 and path == "/request":
        _post("/release", {"lock_id": json.loads(response.content)["lock_id"]})
    if response.status_code == 200 and path == "/release":
        _held.clear()  # a generated /release may have given back what we hold
