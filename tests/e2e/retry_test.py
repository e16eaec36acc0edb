#!/usr/bin/env python3
"""Retries through kills: one process on SQLite, three processes on one PostgreSQL database.

Clients work as careful users do: each effect has an idempotency key, and whatever gets no answer is
sent again with the same key, to any process, until it gets one. A model keeps what was acknowledged;
at the end the pool, read back, must agree with it: no account with two owners, no lost lock, no
balance counted twice or never, no signature without its record, no gap in the audit chains.
"""

import http.client
import json
import os
import random
import threading
import time
import uuid

from harness import (Client, Crowd, PostgresDatabase, audit_export, audit_records, check,
                     digest_of, main, scenario)

ACCOUNTS = 60
RETRIES_SECONDS = 40


class Model:
    """What was acknowledged. Shared by the crowd's threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.owner = {}  # account id -> (service, lock id)
        self.balances = {}  # account id -> sum of acknowledged deltas
        self.signed = set()  # (account id, digest hex)

    def took(self, service, answer):
        with self.lock:
            for account in answer["accounts"]:
                check(account["id"] not in self.owner, account["id"], "has two owners:", service,
                      self.owner.get(account["id"]))
                self.owner[account["id"]] = (service, answer["lock_id"])

    def gives_back(self, answer):
        # Before the call: once the server has committed it, somebody else may take the account.
        with self.lock:
            for account in answer["accounts"]:
                del self.owner[account["id"]]

    def held_by(self, service):
        return {account: lock_id for account, (owner, lock_id) in self.owner.items()
                if owner == service}


class CarefulClient:
    """Repeats a call with its key until somebody answers; never guesses."""

    def __init__(self, servers, service, seed):
        self.servers, self.service, self.random = servers, service, random.Random(seed)
        self.clients = {}

    def call(self, path, body, stopping=None):
        headers = {"Idempotency-Key": str(uuid.UUID(int=self.random.getrandbits(128)))}
        deadline = time.monotonic() + RETRIES_SECONDS
        while True:
            server = self.random.choice(self.servers)
            client = self.clients.setdefault(server.port, Client(server.port, self.service,
                                                                 timeout=10))
            try:
                answer = client.post(path, body, headers)
                # Away, full or unknown: nothing is decided yet.
                if answer.status not in (429, 503, 504):
                    return answer
                if answer.status == 503 and answer.reason == "pool_exhausted":
                    return answer
                last = answer
            except (OSError, http.client.HTTPException) as error:
                last = error
            check(time.monotonic() < deadline, path, "is not answered any more; last:", last)
            time.sleep(0.02)


def work(servers, model, seed):
    def run(index, stopping):
        service = "service-%d" % index
        client = CarefulClient(servers, service, seed * 1000 + index)
        dice = random.Random(seed * 7919 + index)
        held = []
        while not stopping.is_set():
            choice = dice.random()
            if len(held) < 3 and (choice < 0.35 or not held):
                answer = client.call("/request", {"count": dice.randint(1, 4)})
                if answer.status == 503:
                    continue  # exhausted; others will give back
                check(answer.status == 200, "/request answered", answer)
                model.took(service, answer.json)
                held.append(answer.json)
            elif choice < 0.55:
                taken = held.pop(dice.randrange(len(held)))
                model.gives_back(taken)
                answer = client.call("/release", {"lock_id": taken["lock_id"]})
                check(answer.status == 200, "/release answered", answer)
                check(answer.json["released_count"] == len(taken["accounts"]), "lost lock:",
                      answer, "of", len(taken["accounts"]))
            elif choice < 0.8:
                taken = dice.choice(held)
                account = dice.choice(taken["accounts"])
                digest = digest_of(service, dice.random())
                answer = client.call("/sign", {
                    "account_id": account["id"], "tx_hash": digest.hex(),
                    "lock_id": taken["lock_id"], "fencing": account["fencing"]})
                check(answer.status == 200, "/sign answered", answer)
                with model.lock:
                    model.signed.add((account["id"], digest.hex()))
            else:
                account = dice.choice(dice.choice(held)["accounts"])
                delta = dice.randint(1, 1000)
                answer = client.call("/balance", {"account_id": account["id"], "delta": delta})
                check(answer.status == 200, "/balance answered", answer)
                with model.lock:
                    model.balances[account["id"]] = model.balances.get(account["id"], 0) + delta

    return run


def check_against(model, world, servers, services):
    """The pool as it says it is, against what was acknowledged."""
    seen = {}
    for index in range(services):
        service = "service-%d" % index
        accounts = Client(servers[0].port, service).must("GET", "/accounts")["accounts"]
        expected = model.held_by(service)
        check({account["id"]: account["lock_id"] for account in accounts} == expected, service,
              "holds", len(accounts), "of", len(expected))
        for account in accounts:
            check(account["id"] not in seen, account["id"], "has two owners")
            seen[account["id"]] = service
            check(account["balances"]["GAS"]["amount"] == model.balances.get(account["id"], 0),
                  account, model.balances.get(account["id"]))
    client = Client(servers[0].port, "auditor")
    info = client.must("GET", "/pool-info")
    check(info["locked_accounts"] == len(model.owner), info, len(model.owner))
    check(info["total_accounts"] == ACCOUNTS, info)
    check(info["token_stats"]["GAS"]["total_balance"] == sum(model.balances.values()), info,
          sum(model.balances.values()))
    export = audit_export(client)
    report = world.verify_audit(export)
    recorded = {(record["account_id"], record["digest"])
                for record in map(body_of, audit_records(export, "pool.sign"))}
    missing = model.signed - recorded
    check(not missing, len(missing), "signatures left without a record")
    return report


def body_of(record):
    body = record["body"]
    return json.loads(body) if isinstance(body, str) else body


SETTINGS = ("pool.min_accounts=%d" % ACCOUNTS, "pool.max_accounts=%d" % ACCOUNTS)


@scenario
def EveryKeyTakesEffectOnceThroughKills(world):
    seed = int(os.environ.get("ADYTON_SEED", str(random.randrange(1 << 30))))
    print("ADYTON_SEED=%d" % seed)
    server = world.pool(settings=SETTINGS)
    model, services = Model(), 6
    crowd = Crowd(services, work([server], model, seed))
    dice = random.Random(seed)
    for _ in range(5):
        time.sleep(dice.uniform(0.6, 1.4))
        server.kill()
        server.start().wait_ready()
    time.sleep(0.5)
    crowd.stop()
    server.kill()
    server.start().wait_ready()
    report = check_against(model, world, [server], services)
    print("%d signatures, %d held, audit %s" % (len(model.signed), len(model.owner), report))
    check(len(model.signed) > 20, "hardly any work was done")


@scenario
def EveryKeyTakesEffectOnceOnThreeProcesses(world):
    seed = int(os.environ.get("ADYTON_SEED", str(random.randrange(1 << 30))))
    print("ADYTON_SEED=%d" % seed)
    database = PostgresDatabase(world)
    servers = [world.pool(data=world.directory / ("data%d" % number), settings=SETTINGS,
                          DATABASE_URL=database.url)
               for number in range(3)]
    model, services = Model(), 6
    crowd = Crowd(services, work(servers, model, seed))
    dice = random.Random(seed)
    for _ in range(6):
        time.sleep(dice.uniform(0.5, 1.2))
        victim = dice.choice(servers)
        victim.kill()
        time.sleep(dice.uniform(0, 0.4))
        victim.start().wait_ready()
    time.sleep(0.5)
    crowd.stop()
    for server in servers:
        server.kill()
        server.start().wait_ready()
    report = check_against(model, world, servers, services)
    print("%d signatures, %d held, audit %s" % (len(model.signed), len(model.owner), report))
    check(len(model.signed) > 20, "hardly any work was done")


if __name__ == "__main__":
    main()
