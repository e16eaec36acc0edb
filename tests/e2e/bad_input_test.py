#!/usr/bin/env python3
"""Requests that are wrong, hostile or slow: each gets a clear refusal in the service's own form, and
the server serves the next caller."""

import base64
import json
import socket
import time
import uuid

from harness import Client, check, digest_of, main, raw_exchange, scenario

DIGEST = base64.b64encode(bytes(32)).decode()


def refused(answer, status, reason=None):
    """The error form of services.md 1.3 with a trace id."""
    check(answer.status == status, "wanted", status, "got", answer)
    body = answer.json
    check(body["code"] in ("HTTP_%d" % status, "AUTH_REQUIRED"), body)
    check(body["message"] and body["trace_id"] == answer.headers["x-trace-id"], body)
    if reason is not None:
        check(answer.reason == reason, "wanted", reason, "got", body)


def raw_post(path, body, length=None):
    return (b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Service-ID: neocompute\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            % (path.encode(), len(body) if length is None else length)) + body


def status_of(received):
    check(received.startswith(b"HTTP/1.1 "), "not an answer:", received[:200])
    head, _, body = received.partition(b"\r\n\r\n")
    if int(received[9:12]) >= 400 and body:
        check(json.loads(body)["trace_id"], "no trace id in", body)
    return int(received[9:12])


@scenario
def MalformedBodiesAreRefused(world):
    client = Client(world.dev().port)
    deep = b"[" * 65 + b"]" * 65
    for body in (b"", b"{", b"null", b"[]", b'"x"', b"{}x", b'{"count":1}{}', b'{"count":"1"}',
                 b'{"count":1.5}', b'{"count":1e400}', b'{"count":1,"count":2}', b'{"count":true}',
                 b'{"purpose":"\xff\xfe"}', b'{"purpose":"\\ud800"}', b'{"x":%s}' % deep, deep,
                 b"{'count':1}", b'{"count":1,}', b"\xef\xbb\xbf{}", b'{"count":01}',
                 b'{"purpose":"a\x00b"}'):
        refused(client.post("/request", raw=body), 400)
    for body in ({}, {"account_id": "", "tx_hash": DIGEST}, {"account_id": str(uuid.uuid4())},
                 {"account_id": str(uuid.uuid4()), "tx_hash": "AAAA"},
                 {"account_id": str(uuid.uuid4()), "tx_hash": "not base64!"},
                 {"account_id": str(uuid.uuid4()), "tx_hash": [0] * 32}):
        refused(client.post("/sign", body), 400)
    refused(client.post("/sign", {"account_id": "x" * 10_000, "tx_hash": DIGEST}), 400)
    for name in ("not a uuid", uuid.uuid4().hex):
        refused(client.post("/sign", {"account_id": name, "tx_hash": DIGEST}), 404)
    check(client.get("/ready").status == 200, "still ready")
    # Nesting within the limit and unknown members are fine.
    check(client.post("/request", raw=b'{"x":%s}' % (b"[" * 60 + b"]" * 60)).status == 200, "ok")


@scenario
def OversizedRequestsAreRefused(world):
    port = world.dev().port
    client = Client(port)
    body = b'{"purpose":"%s"}' % (b"x" * 9_000_000)
    answer = raw_exchange(port, raw_post("/request", b"", length=len(body)))
    check(status_of(answer) == 413 and b"limit_bytes" in answer, answer[:300])
    check(status_of(raw_exchange(port, raw_post("/request", body))) == 413, "whole body sent")
    chunked = (b"POST /request HTTP/1.1\r\nHost: x\r\nX-Service-ID: neocompute\r\n"
               b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
    chunked += (b"100000\r\n" + b"x" * 0x100000 + b"\r\n") * 9 + b"0\r\n\r\n"
    check(status_of(raw_exchange(port, chunked)) == 413, "chunks beyond the limit")
    check(status_of(raw_exchange(
        port, b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")) == 414, "target")
    many = b"".join(b"X-%d: %s\r\n" % (i, b"y" * 60_000) for i in range(40))
    check(status_of(raw_exchange(port, b"GET /info HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n"))
          == 431, "headers")
    refused(client.post("/release", {"account_ids": [str(uuid.uuid4())] * 10_001}), 400)
    refused(client.post("/request", {"purpose": "x" * 2000}), 400)
    items = [{"account_id": str(uuid.uuid4()), "tx_hash": DIGEST}] * 1001
    check(client.post("/batch-sign", {"requests": items}).status in (400, 413), "batch cap")
    check(client.get("/ready").status == 200, "still ready")


@scenario
def MalformedHttpIsRefused(world):
    port = world.dev().port
    for request in (b"\x00\x01\x02\x03\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                    b"GET /info HTTP/1.1\r\n\r\n", b"GET /info HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                    b"GET /info HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
                    b"POST /request HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    b"POST /request HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                    b"POST /request HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                    b"Content-Length: 2\r\n\r\n{}",
                    b"GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n"):
        received = raw_exchange(port, request, half_close=True)
        check(received == b"" or status_of(received) in (400, 404, 505), request, received[:200])
    client = Client(port)
    refused(client.get("/nowhere"), 404)
    refused(client.get("/sign"), 405)
    check(client.get("/sign").headers["allow"] == "POST", "Allow")
    refused(client.call("DELETE", "/accounts"), 405)
    refused(client.get("/accounts/"), 404)
    check(client.get("/ready").status == 200, "still ready")


@scenario
def SlowRequestsAreCutAndOthersAreServed(world):
    port = world.dev(extra=["--set", "http.header_timeout=1s", "--set",
                            "http.read_timeout=2s"]).port
    slow_header = socket.create_connection(("127.0.0.1", port), timeout=15)
    slow_body = socket.create_connection(("127.0.0.1", port), timeout=15)
    slow_header.sendall(b"GET /info HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    slow_body.sendall(raw_post("/request", b"{", length=100))
    client = Client(port)
    started = time.monotonic()
    ended = {}
    while len(ended) < 2 and time.monotonic() - started < 12:
        before = time.monotonic()
        check(client.get("/pool-info").status == 200, "others are served")
        check(time.monotonic() - before < 1, "others wait")
        for name, connection in (("header", slow_header), ("body", slow_body)):
            if name in ended:
                continue
            try:
                connection.sendall(b"x")
                connection.settimeout(0.05)
                received = connection.recv(4096)
                ended[name] = status_of(received) if received else 0
            except socket.timeout:
                pass
            except OSError:
                ended[name] = 0
        time.sleep(0.1)
    check(set(ended) == {"header", "body"}, "the slow ones still hang:", ended)
    check(all(status in (0, 408) for status in ended.values()), ended)


@scenario
def CountsOutsideOneToAHundredAreRefusedOrDefaulted(world):
    client = Client(world.dev().port)
    refused(client.post("/request", {"count": 101}), 400)
    refused(client.post("/request", {"count": 2**63}), 400)
    for count in (0, -1, None):  # the seed's rule: these mean one (services.md 2.5)
        held = client.must("POST", "/request", {"count": count})
        check(len(held["accounts"]) == 1, count, held)
    held = client.must("POST", "/request", {"count": 100})
    check(len({account["id"] for account in held["accounts"]}) == 100, "a hundred")
    info = client.get("/pool-info").json
    refused(client.post("/request", {"count": 100, "ttl_seconds": 0}), 400)
    refused(client.post("/request", {"count": 100, "ttl_seconds": 86_401}), 400)
    check(client.get("/pool-info").json == info, "a refusal locks nothing")


@scenario
def IdsThatAreUnknownOrSpelledOtherwiseDoNoHarm(world):
    client = Client(world.dev().port)
    account = client.request()["accounts"][0]["id"]
    unknown = str(uuid.uuid4())
    refused(client.sign(unknown, digest_of(1)), 404)
    refused(client.post("/balance", {"account_id": unknown, "delta": 1}), 404)
    check(client.release(account_ids=[unknown, account.upper()]) in (0, 1), "skipped or found")
    account = client.request()["accounts"][0]["id"]
    lower = client.sign(account, digest_of(2)).json
    upper = client.sign(account.upper(), digest_of(2))
    check(upper.status == 200 and upper.json["signature"] == lower["signature"],
          "A17: an upper-case id signs with the same key", upper)
    check(upper.json["account_id"] == account, "the canonical id comes back")


@scenario
def AccountsOfOthersAreRefused(world):
    port = world.dev().port
    mine, other, nobody = Client(port), Client(port, service="neooracle"), Client(port, None)
    held = mine.request(2)
    account = held["accounts"][0]["id"]
    refused(other.sign(account, digest_of(1)), 403)
    refused(other.post("/balance", {"account_id": account, "delta": 1}), 403)
    check(other.post("/renew", {"lock_id": held["lock_id"]}).status in (403, 404), "renew")
    check(other.release(account_ids=[account]) == 0, "release by id is skipped")
    answer = other.post("/release", {"lock_id": held["lock_id"]})
    check(answer.status in (403, 404) or answer.json["released_count"] == 0, answer)
    check(other.get("/accounts").json["accounts"] == [], "not listed")
    refused(other.get("/accounts", service_id="neocompute"), 403, "service_id_mismatch")
    refused(other.post("/sign", {"service_id": "neocompute", "account_id": account,
                                 "tx_hash": DIGEST}), 403, "service_id_mismatch")
    batch = other.must("POST", "/batch-sign", {"requests": [
        {"account_id": account, "tx_hash": DIGEST}]})
    check(batch["signatures"] == [] and len(batch["errors"]) == 1, batch)
    refused(nobody.post("/sign", {"account_id": account, "tx_hash": DIGEST}), 401)
    check(nobody.post("/request", {}).json["code"] == "AUTH_REQUIRED", "code")
    free = other.request()["accounts"][0]["id"]
    other.release()
    refused(mine.sign(free, digest_of(1)), 409)
    check(mine.sign(account, digest_of(1)).status == 200, "mine still signs")


@scenario
def StaleLeasesDoNotSign(world):
    client = Client(world.dev().port)
    held = client.request(1, ttl_seconds=1)
    account = held["accounts"][0]
    first = dict(lock_id=held["lock_id"], fencing=account["fencing"])
    check(client.sign(account["id"], digest_of(1), **first).status == 200, "fresh")
    time.sleep(1.3)
    refused(client.sign(account["id"], digest_of(1)), 409)
    refused(client.sign(account["id"], digest_of(1), **first), 409)
    check(client.post("/renew", {"lock_id": held["lock_id"]}).status in (404, 409), "renew")
    # Hold everything, so that the account is certainly handed out again.
    total = client.get("/pool-info").json["total_accounts"]
    again = None
    while again is None:
        for one in client.request(min(total, 100))["accounts"]:
            if one["id"] == account["id"]:
                again = one
    check(again["fencing"] > account["fencing"], "fencing rises", account, again)
    refused(client.sign(account["id"], digest_of(1), **first), 409)
    refused(client.sign(account["id"], digest_of(1), fencing=account["fencing"]), 409)
    check(client.sign(account["id"], digest_of(1), fencing=again["fencing"]).status == 200, "new")


@scenario
def BatchPositionsNeverShift(world):
    client = Client(world.dev().port)
    held = client.request(2)["accounts"]
    ids = [held[0]["id"], str(uuid.uuid4()), held[1]["id"], "nonsense", held[0]["id"]]
    requests = [{"account_id": one, "tx_hash": base64.b64encode(digest_of(i)).decode()}
                for i, one in enumerate(ids)]
    answer = client.post("/batch-sign", {"requests": requests})
    check(answer.status == 200, answer)
    results = answer.json["results"]
    check([one["index"] for one in results] == [0, 1, 2, 3, 4], results)
    check([("signature" in one) for one in results] == [True, False, True, False, True], results)
    check(len(answer.json["signatures"]) == 3 and len(answer.json["errors"]) == 2, answer)
    check(results[4]["signature"] == client.sign(ids[4], digest_of(4)).json["signature"], "same")
    check(client.must("POST", "/batch-sign", {})["signatures"] == [], "empty")


@scenario
def IdempotencyKeysReplayAndRefuse(world):
    client = Client(world.dev().port)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = client.must("POST", "/request", {"count": 2}, key)
    again = client.must("POST", "/request", {"count": 2}, {"X-Idempotency-Key": key[
        "Idempotency-Key"]})
    check(first == again, "the same answer under either name")
    refused(client.post("/request", {"count": 3}, key), 409, "idempotency_key_reused")
    refused(client.post("/request", {}, {"Idempotency-Key": "a", "X-Idempotency-Key": "b"}), 400)
    refused(client.post("/request", {}, {"Idempotency-Key": "x" * 300}), 400)
    account = first["accounts"][0]["id"]
    balance = {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(3):
        done = client.must("POST", "/balance", {"account_id": account, "delta": 5}, balance)
        check(done["new_balance"] == 5 and done["tx_count"] == 1, done)
    release = {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(2):
        done = client.must("POST", "/release", {"lock_id": first["lock_id"]}, release)
        check(done["released_count"] == 2, done)


@scenario
def BalancesStayWithinTheirLimits(world):
    client = Client(world.dev().port)
    account = client.request()["accounts"][0]["id"]
    top = 2**53 - 1
    refused(client.post("/balance", {"account_id": account, "delta": -1}), 409)
    check(client.must("POST", "/balance", {"account_id": account, "absolute": top})["new_balance"]
          == top, "top")
    refused(client.post("/balance", {"account_id": account, "delta": 1}), 422)
    check(client.post("/balance", {"account_id": account, "absolute": top + 1}).status in
          (400, 422), "beyond")
    refused(client.post("/balance", {"account_id": account, "delta": "1.5"}), 400)
    refused(client.post("/balance", {"delta": 1}), 400)
    text = client.must("POST", "/balance", {"account_id": account, "absolute": "7"})
    check(text["new_balance"] == "7", "text amounts echo as text", text)
    info = client.get("/pool-info").json["token_stats"]["GAS"]
    check(info["total_balance"] == 7 and info["locked_balance"] == 7, info)


if __name__ == "__main__":
    main()
