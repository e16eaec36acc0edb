#!/usr/bin/env python3
"""What a service states about itself, fetched from a running one and checked with the command."""

import base64
import hashlib
import json
import os
import ssl

from harness import (Authority, Client, audit_export, check, digest_of, main, scenario,
                     strict_environment)


def saved(world, name, body):
    path = world.directory / name
    path.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
    return str(path)


def verify(world, path, *more):
    done = world.try_run("verify", "attestation", path, "--json", *more)
    return done.returncode, json.loads(done.stdout)


@scenario
def ARunningDevIsSimulatedAndSaysSo(world):
    server = world.dev()
    client = Client(server.port)
    answer = client.get("/master-key")
    path = saved(world, "master-key.json", answer.body)
    code, told = verify(world, path)
    check(code == 1 and told["result"] == "rejected" and told["reason"] == "unsupported", told)
    code, told = verify(world, path, "--allow-simulated")
    check(code == 0 and told["result"] == "simulated", told)
    claims = answer.json["attestation"]["claims"]
    info = client.get("/info").json
    check(info["attestation"]["mode"] == "simulation" and info["enclave"] is False, info)
    check(info["attestation"]["build_id"] == claims["build_id"], info)
    check(len(claims["build_id"]) == 40, claims)
    check(answer.json["hash"] == info["master_key_hash"], info)
    check("SIMULATED PLATFORM" in (server.data / "adyton.log").read_text(), "the log says it")
    evidence = base64.b64decode(answer.json["attestation"]["evidence"])
    check(evidence.startswith(b"SIMULATED-EVIDENCE-DO-NOT-TRUST\0"), evidence)
    check(hashlib.sha256(evidence).hexdigest() == answer.json["attestation_hash"], "its hash")
    # Whole and in words for people.
    shown = world.run("verify", "attestation", path, "--allow-simulated")
    check("accepted: simulated" in shown and claims["pubkey"] in shown, shown)


@scenario
def ANonceMakesTheStatementFreshAndEveryChangeIsNoticed(world):
    server = world.dev()
    client = Client(server.port)
    nonce = base64.urlsafe_b64encode(os.urandom(24)).decode().rstrip("=")
    answer = client.get("/master-key", nonce=nonce)
    check(answer.headers["cache-control"] == "no-store", answer.headers)
    path = saved(world, "fresh.json", answer.body)
    check(verify(world, path, "--allow-simulated", "--nonce", nonce)[0] == 0, "fresh")
    code, told = verify(world, path, "--allow-simulated", "--nonce", "AAAA")
    check(code == 1 and told["reason"] == "binding_mismatch", told)
    old = saved(world, "old.json", client.get("/master-key").body)
    code, told = verify(world, old, "--allow-simulated", "--nonce", nonce)
    check(code == 1 and told["reason"] == "binding_mismatch", told)
    whole = answer.json
    for change in (
            lambda one: one.update(pubkey="02" + "00" * 32),
            lambda one: one.update(simulated=False),
            lambda one: one.update(hash="00" * 32),
            lambda one: one["attestation"]["claims"].update(build_id="00"),
            lambda one: one["attestation"]["claims"].update(service_id="neocompute"),
            lambda one: one["attestation"]["claims"]["signing_keys"].update(extra="00"),
            lambda one: one["attestation"].update(type="sgx-dcap")):
        bad = json.loads(json.dumps(whole))
        change(bad)
        check(verify(world, saved(world, "bad.json", bad), "--allow-simulated")[0] == 1, bad)


@scenario
def TheTlsKeyIsBoundAndAReloadBindsTheNewOne(world):
    authority = Authority(world.directory / "pki")
    credentials = authority.issue("server", ["neoaccounts"], san="IP:127.0.0.1",
                                  usage="serverAuth,clientAuth")
    server = world.pool(identity="strict", **strict_environment(authority, credentials))
    tls = authority.client_context(authority.issue("client", ["neocompute"]))
    client = Client(server.port, None, tls)
    bound = client.get("/attestation").json["claims"]["tls_spki_sha256"]
    certificate = ssl.PEM_cert_to_DER_cert(credentials[0].read_text().split("-----END")[0] +
                                           "-----END CERTIFICATE-----\n")
    # The public key info stands in the certificate as it is hashed.
    at = certificate.index(bytes.fromhex("3059301306072a8648ce3d0201"))
    check(hashlib.sha256(certificate[at:at + 91]).hexdigest() == bound, bound)
    path = saved(world, "bundle.json", client.get("/attestation").body)
    check(verify(world, path, "--allow-simulated", "--tls-spki", bound)[0] == 0, "bound")
    code, told = verify(world, path, "--allow-simulated", "--tls-spki", "00" * 32)
    check(code == 1 and told["reason"] == "binding_mismatch", told)


@scenario
def AuditCheckpointsAreTiedToTheAttestedKey(world):
    server = world.dev()
    client = Client(server.port)
    held = client.request(1)
    client.sign(held["accounts"][0]["id"], digest_of(1))
    bundle = saved(world, "pool.json", client.get("/master-key").body)
    other = saved(world, "keystore.json", Client(server.base + 3).get("/attestation").body)
    check(server.terminate() == 0, "ends")  # which signs the last checkpoint
    again = world.dev(data=server.data)
    export = saved(world, "audit.jsonl", audit_export(Client(again.port)))
    said = world.run("verify", "audit", export, "--attestation", bundle, "--allow-simulated")
    check("intact" in said and "attested by neoaccounts" in said and "simulated" in said, said)
    refused = world.try_run("verify", "audit", export, "--attestation", bundle)
    check(refused.returncode == 1 and "simulated" in refused.stderr, refused)
    refused = world.try_run("verify", "audit", export, "--attestation", other,
                            "--allow-simulated")
    check(refused.returncode == 1, "signed by another service", refused)


@scenario
def HardwareThatIsNotHereEndsTheStartAndNothingTakesItsPlace(world):
    authority = Authority(world.directory / "pki")
    credentials = authority.issue("server", ["neoaccounts"], san="IP:127.0.0.1",
                                  usage="serverAuth,clientAuth")
    present = {"gramine": "/dev/attestation/attestation_type",
               "tsm": "/sys/kernel/config/tsm/report", "sev-guest": "/dev/sev-guest"}
    world.migrate(world.directory / "data")
    for mode, path in present.items():
        if os.path.exists(path):
            continue  # this machine is one
        done = world.try_run(
            "serve", "pool", "--data-dir", str(world.directory / "data"), "--listen",
            "127.0.0.1:0", "--set", "platform.mode=" + mode, POOL_MASTER_KEY="x" * 40,
            **strict_environment(authority, credentials))
        check(done.returncode == 1 and "simulation" not in done.stdout, mode, done)
        if mode != "gramine":
            done = world.try_run("evidence-broker", "--platform", mode, "--socket",
                                 str(world.directory / "evidence.sock"))
            check(done.returncode == 1, mode, done)
            check(not (world.directory / "evidence.sock").exists(), "it listens")


@scenario
def EveryServiceServesWhatItsDocumentSaysAndTheOtherWayRound(world):
    """GET /attestation of all four, and every path of their OpenAPI documents."""
    server = world.dev()
    for name, port in (("coordinator", server.base), ("pool", server.base + 1),
                       ("compute", server.base + 2), ("keystore", server.base + 3)):
        client = Client(port)
        document = client.get("/openapi.json").json
        served = client.get("/attestation")
        check(served.status == 200, name, served)
        described = document["paths"]["/attestation"]["get"]
        reference = described["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.split("/")[-1]]
        check(set(schema["required"]) <= set(served.json) <= set(schema["properties"]), served)
        check({"400", "429", "503"} <= set(described["responses"]), name, described)
        check(client.get("/attestation", nonce="*").status == 400, name)
        for path, methods in document["paths"].items():
            # A method that a path has not is 405, so that an absent path alone is 404.
            answer = client.call("TRACE" if "{" not in path else "PATCH", path.replace("{", "")
                                 .replace("}", ""))
            check(answer.status in (405, 501), name, path, answer)
            check(methods, name, path)
        check(client.call("PATCH", "/no-such-path").status == 404, name)


if __name__ == "__main__":
    main()
