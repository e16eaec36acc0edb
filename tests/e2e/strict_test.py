#!/usr/bin/env python3
"""Strict identity over mutual TLS, with certificates minted by the openssl command."""

import os
import signal
import socket
import ssl

from harness import (Authority, Client, check, digest_of, main, scenario,
                     strict_environment, wait_until)

POLICY = """
[[rules]]
name = "compute"
effect = "allow"
services = ["neocompute"]
operations = ["*"]

[[rules]]
name = "oracle-reads"
effect = "allow"
services = ["neooracle"]
operations = ["pool_info", "list_accounts"]
"""


class Strict:
    """A strict pool and an authority whose clients it accepts."""

    def __init__(self, world, policy=POLICY):
        self.world = world
        self.authority = Authority(world.directory / "pki")
        server = self.authority.issue(
            "server", ["neoaccounts"], san="IP:127.0.0.1,DNS:localhost",
            usage="serverAuth,clientAuth")
        arguments = []
        settings = []
        if policy:
            path = world.directory / "policy.toml"
            path.write_text(policy)
            settings.append("policy.file=" + str(path))
        self.server = world.pool(
            identity="strict", settings=settings, arguments=arguments,
            **strict_environment(self.authority, server))

    def client(self, name, marble_types, service=None, authority=None, **more):
        credentials = (authority or self.authority).issue(name, marble_types, **more)
        return Client(self.server.port, service=service,
                      tls=self.authority.client_context(credentials))


def handshake_fails(client):
    try:
        answer = client.get("/info")
    except (ssl.SSLError, ConnectionError, OSError):
        return True
    raise AssertionError("the handshake was accepted: %r" % answer)


@scenario
def TheRightCertificateIsTheIdentity(world):
    strict = Strict(world)
    client = strict.client("right", ["neocompute"])
    held = client.request(2)
    check(all(one["locked_by"] == "neocompute" for one in held["accounts"]), held)
    check(client.sign(held["accounts"][0]["id"], digest_of(1)).status == 200, "signs")
    named = strict.client("named", ["neocompute"], service="neocompute")
    check(named.get("/accounts").json["accounts"], "the header may repeat it")
    check(named.get("/info").json["identity_mode"] == "strict", "/info says so")
    # Names in the subject and SAN say nothing (A23).
    fancy = strict.client("fancy", ["neocompute"], san="DNS:gateway.example.org",
                          common_name="gateway")
    check(len(fancy.get("/accounts").json["accounts"]) == 2, "still neocompute")


@scenario
def ContradictionsAreRefused(world):
    strict = Strict(world)
    client = strict.client("right", ["neocompute"])
    account = client.request()["accounts"][0]["id"]
    lying = strict.client("lying", ["neooracle"], service="neocompute")
    answer = lying.get("/accounts")
    check(answer.status == 403 and answer.reason == "service_id_mismatch", answer)
    # also where nobody is asked who it is
    answer = lying.get("/info")
    check(answer.status == 403 and answer.reason == "service_id_mismatch", answer)
    for body in ({"service_id": "neooracle", "count": 1}, {"service_id": "accountpool"},
                 {"service_id": "NeoCompute"}):
        answer = client.post("/request", body)
        check(answer.status == 403 and answer.reason == "service_id_mismatch", body, answer)
    other = strict.client("other", ["neooracle"])
    answer = other.sign(account, digest_of(1))
    check(answer.status == 403, answer)


@scenario
def WrongCertificatesAreRefused(world):
    strict = Strict(world)
    nobody = Client(strict.server.port, tls=strict.authority.client_context())
    handshake_fails(nobody)
    stranger = Authority(world.directory / "stranger", "stranger")
    handshake_fails(strict.client("s", ["neocompute"], authority=stranger))
    handshake_fails(strict.client("wrong-use", ["neocompute"], usage="serverAuth"))
    # Two extensions in one certificate: attest's tests; the openssl command cannot make one.
    for name, types in (("none", []), ("upper", ["NeoCompute"]), ("unknown", ["nobody-knows-me"]),
                        ("blank", ["neocompute "])):
        answer = strict.client(name, types).get("/accounts")
        check(answer.status in (401, 403), name, answer)
        check("accounts" not in answer.json, name, answer)
    # Not even a header helps where the certificate says nothing.
    answer = strict.client("none2", [], service="neocompute").get("/accounts")
    check(answer.status == 401, answer)
    # Plain HTTP on the TLS port is no way in.
    try:
        check(Client(strict.server.port).get("/accounts").status >= 400, "plain HTTP")
    except (OSError, Exception) as error:
        check(not isinstance(error, AssertionError), error)


@scenario
def ThePolicyDeniesByDefaultAndNamesItsRule(world):
    strict = Strict(world)
    oracle = strict.client("oracle", ["neooracle"])
    check(oracle.get("/pool-info").status == 200, "allowed")
    answer = oracle.post("/request", {"count": 1})
    check(answer.status == 403 and answer.reason == "policy_denied", answer)
    feeds = strict.client("feeds", ["neofeeds"])
    answer = feeds.get("/pool-info")
    check(answer.status == 403 and answer.reason == "policy_denied", answer)
    check("default" in answer.json["message"], answer)
    empty = Strict2(world)
    answer = empty.client("none", ["neocompute"]).get("/pool-info")
    check(answer.status == 403 and answer.reason == "policy_denied", answer)


def Strict2(world):
    """Without any policy."""
    world.directory = world.directory / "second"
    world.directory.mkdir()
    return Strict(world, policy=None)


@scenario
def TheCommandLineSpeaksMutualTls(world):
    strict = Strict(world)
    certificate, key = strict.authority.issue("cli", ["neocompute"])
    more = {"ADYTON_POOL_URL": "https://127.0.0.1:%d" % strict.server.port,
            "ADYTON_CLIENT_CERT": str(certificate), "ADYTON_CLIENT_KEY": str(key),
            "ADYTON_CA": str(strict.authority.certificate)}
    check("FENCING" in world.run("pool", "request", "--count", "2", **more), "request")
    check("released 2 accounts" in world.run("pool", "release", "--all", **more), "release")
    os.chmod(key, 0o644)
    loose = world.try_run("pool", "info", **more)
    check(loose.returncode != 0 and "key" in loose.stderr, "a key that others may read", loose)
    os.chmod(key, 0o600)
    more["ADYTON_CA"] = str(Authority(world.directory / "stranger", "stranger").certificate)
    wrong = world.try_run("pool", "info", "--timeout", "2", **more)
    check(wrong.returncode == 1, "a server of another authority", wrong)


@scenario
def StrictDoesNotStartWithoutCertificatesNorDevelopmentElsewhere(world):
    world.migrate(world.directory / "data")
    bare = world.try_run("serve", "pool", "--data-dir", str(world.directory / "data"),
                         POOL_MASTER_KEY="x" * 40)
    check(bare.returncode == 1 and "certificate" in bare.stderr, bare)
    wide = world.try_run("serve", "pool", "--identity", "development", "--listen", "0.0.0.0:0",
                         "--data-dir", str(world.directory / "data"), POOL_MASTER_KEY="x" * 40)
    check(wide.returncode == 1 and "loopback" in wide.stderr, wide)
    forced = world.try_run("serve", "pool", "--identity", "development", "--listen", "127.0.0.1:0",
                           "--data-dir", str(world.directory / "data"), POOL_MASTER_KEY="x" * 40,
                           MARBLE_ENV="production")
    check(forced.returncode == 1 and "strict" in forced.stderr, forced)


@scenario
def HangUpReadsCertificatesAnew(world):
    authority = Authority(world.directory / "pki")
    credentials = authority.issue("server", ["neoaccounts"], san="IP:127.0.0.1",
                                  usage="serverAuth,clientAuth")
    policy = world.directory / "policy.toml"
    policy.write_text(POLICY)
    config = world.directory / "adyton.toml"
    config.write_text("[tls]\ncertificate = {file = \"%s\"}\nkey = {file = \"%s\"}\n"
                      "client_ca = {file = \"%s\"}\n" % (*credentials, authority.certificate))
    server = world.pool(identity="strict", settings=["policy.file=" + str(policy)],
                        arguments=["--config", str(config)])
    client = Client(server.port, None, authority.client_context(
        authority.issue("one", ["neocompute"])))
    before = serial(client)
    check(client.get("/pool-info").status == 200, "before")
    authority.issue("server", ["neoaccounts"], san="IP:127.0.0.1", usage="serverAuth,clientAuth")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reloaded" in server.log_text(), 10, "reload")
    check(serial(client) != before, "new connections see the new certificate")
    check(client.get("/pool-info").status == 200, "the old connection goes on")
    # A broken file changes nothing.
    credentials[0].write_text("not a certificate")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reload failed" in server.log_text(), 10, "refusal")
    client.close()
    check(client.get("/pool-info").status == 200, "the former certificates stay")


def serial(client):
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as plain:
        with client.tls.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
            return secured.getpeercert()["serialNumber"]


if __name__ == "__main__":
    main()
