#!/usr/bin/env python3
"""The files that run Adyton for real: manifests and units. MarbleRun ignores names that it does not
know, so that a misspelt policy falls back to a default in silence; here it fails."""

import json
import pathlib
import re
import shutil
import subprocess

from harness import BINARY, ROOT, NotRun, check, main, scenario

PACKAGING = pathlib.Path(ROOT) / "packaging"
PRODUCTS = json.loads((PACKAGING / "products.json").read_text())
MANIFEST = PACKAGING / "marblerun" / "manifest.json"
GRAMINE = PACKAGING / "gramine" / "adyton.manifest.template"

KNOWN = {
    "": {"Packages", "Infrastructures", "Marbles", "Secrets", "Users", "Roles", "RecoveryKeys",
         "TLS", "Config"},
    "Packages": {"UniqueID", "SignerID", "ProductID", "SecurityVersion", "Debug",
                 "AcceptedTCBStatuses", "AcceptedAdvisories"},
    "Marbles": {"Package", "MaxActivations", "Parameters", "TLS", "DisableSecretBinding"},
    "Parameters": {"Files", "Env", "Argv"},
    "Secrets": {"Type", "Size", "Shared", "UserDefined", "Cert", "ValidFor"},
    "Users": {"Certificate", "Roles"},
    "Roles": {"ResourceType", "ResourceNames", "Actions"},
    "Config": {"SealMode", "UpdateThreshold", "RecoveryThreshold", "RotateRootSecret",
               "FeatureGates"},
}
ACTIONS = {"Packages": {"UpdateSecurityVersion"}, "Secrets": {"ReadSecret", "WriteSecret"},
           "Manifest": {"UpdateManifest"}}
# What a master key must not be: made by the Coordinator, whose loss or rotation would lose it.
MASTERS = ("pool_master_key", "compute_master_key", "keystore_master_secret")


def findings_of(manifest):
    """Everything that is wrong with a manifest, one text each."""
    out = []
    out += ["unknown %s" % name for name in set(manifest) - KNOWN[""]]
    for section in ("Packages", "Marbles", "Secrets", "Users", "Roles"):
        for name, value in manifest.get(section, {}).items():
            out += ["%s.%s: unknown %s" % (section, name, key) for key in set(value) - KNOWN[section]]
    out += ["Config: unknown %s" % key for key in set(manifest.get("Config", {})) - KNOWN["Config"]]
    out += packages(manifest) + marbles(manifest) + secrets(manifest) + roles(manifest)
    if manifest.get("Config", {}).get("RotateRootSecret"):
        out.append("RotateRootSecret replaces keys in silence")
    if not manifest.get("RecoveryKeys"):
        out.append("no RecoveryKeys: a new CPU loses the state")
    return out


def packages(manifest):
    out, seen = [], {}
    for name, package in manifest["Packages"].items():
        if package.get("Debug") is not False:
            out.append("%s: Debug" % name)
        if "UniqueID" in package or not {"SignerID", "ProductID", "SecurityVersion"} <= set(package):
            out.append("%s: wants SignerID, ProductID and SecurityVersion" % name)
        if package.get("ProductID") in seen:
            out.append("%s: the ProductID of %s" % (name, seen[package["ProductID"]]))
        seen[package.get("ProductID")] = name
        if not set(package.get("AcceptedTCBStatuses", [])) <= {"UpToDate", "SWHardeningNeeded"}:
            out.append("%s: AcceptedTCBStatuses" % name)
    return out


def marbles(manifest):
    out, used = [], {}
    for name, marble in manifest["Marbles"].items():
        package = marble["Package"]
        if package not in manifest["Packages"]:
            out.append("%s: no package %s" % (name, package))
        if package in used:
            out.append("%s: the package of %s, so the host chooses the type" % (name, used[package]))
        used[package] = name
        if marble.get("DisableSecretBinding"):
            out.append("%s: DisableSecretBinding" % name)
        parameters = marble["Parameters"]
        out += ["%s: unknown %s" % (name, key) for key in set(parameters) - KNOWN["Parameters"]]
        for variable in parameters.get("Env", {}):
            if not re.fullmatch("[A-Z][A-Z0-9_]*", variable):
                out.append("%s: variable %s" % (name, variable))
        known = PRODUCTS.get(name)
        if known is None:
            out.append("%s: not in products.json" % name)
        elif known["product_id"] != manifest["Packages"].get(package, {}).get("ProductID"):
            out.append("%s: ProductID is not that of products.json" % name)
    out += ["%s has no marble" % name for name in set(PRODUCTS) - set(manifest["Marbles"])]
    return out


def secrets(manifest):
    text = json.dumps(manifest["Marbles"])
    used = set(re.findall(r"\.Secrets\.([A-Za-z0-9_]+)", text))
    known = set(manifest["Secrets"])
    out = ["no secret %s" % name for name in used - known]
    out += ["nobody uses the secret %s" % name for name in known - used]
    for name in MASTERS:
        secret = manifest["Secrets"].get(name, {})
        if not secret.get("UserDefined"):
            out.append("%s: a master key is uploaded, with a backup (UserDefined)" % name)
        if secret.get("Type") == "symmetric-key" and secret.get("Size") != 256:
            out.append("%s: 256 bits" % name)
    for name, secret in manifest["Secrets"].items():
        if secret["Type"] == "symmetric-key" and not secret.get("Shared"):
            out.append("%s: an unshared secret hangs on the host's UUID file" % name)
    return out


def roles(manifest):
    out = []
    for name, role in manifest.get("Roles", {}).items():
        if not set(role["Actions"]) <= ACTIONS.get(role["ResourceType"], set()):
            out.append("%s: Actions" % name)
        if role["ResourceType"] in ("Packages", "Secrets"):
            there = set(manifest[role["ResourceType"]])
            out += ["%s: no %s" % (name, one) for one in set(role["ResourceNames"]) - there]
    for name, user in manifest.get("Users", {}).items():
        out += ["%s: no role %s" % (name, one) for one in user["Roles"]
                if one not in manifest["Roles"]]
    return out


def changed(manifest, path, value):
    out = json.loads(json.dumps(manifest))
    at = out
    for part in path[:-1]:
        at = at[part]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return out


@scenario
def TheMarbleRunManifestIsSound(world):
    manifest = json.loads(MANIFEST.read_text())
    check(not findings_of(manifest), findings_of(manifest))


@scenario
def TheLintOfManifestsFindsWhatMarbleRunWouldPassOver(world):
    manifest = json.loads(MANIFEST.read_text())
    pool, compute = "adyton-accountpool", "adyton-confidential"
    for path, value in (
            (["Packages", pool, "SecurityVerison"], 3),
            (["Packages", pool, "Debug"], True),
            (["Packages", pool, "ProductID"], 2),
            (["Packages", pool, "SecurityVersion"], None),
            (["Packages", pool, "AcceptedTCBStatuses"], ["UpToDate", "OutOfDate"]),
            (["Marbles", "accountpool", "Package"], compute),
            (["Marbles", "accountpool", "Parameters", "Enviroment"], {}),
            (["Marbles", "accountpool", "Parameters", "Env", "POOL_MASTER_KEY"],
             "{{ hex .Secrets.pool_master }}"),
            (["Marbles", "accountpool", "DisableSecretBinding"], True),
            (["Marbles", "coordinator"], None),
            (["Secrets", "pool_master_key", "UserDefined"], False),
            (["Secrets", "pool_master_key", "Size"], 128),
            (["Secrets", "pool_master_key", "Shared"], False),
            (["Roles", "secret-writer", "Actions"], ["ReadSecrets"]),
            (["Users", "operator", "Roles"], ["admin"]),
            (["Config", "RotateRootSecret"], True),
            (["RecoveryKeys"], None),
            (["marbles"], {})):
        check(findings_of(changed(manifest, path, value)), "not found:", path, value)


@scenario
def TheManifestsVariablesAreSettings(world):
    reference = subprocess.run([BINARY, "config", "reference"], stdout=subprocess.PIPE, text=True,
                               check=True).stdout
    manifest = json.loads(MANIFEST.read_text())
    later = set()
    for name, marble in manifest["Marbles"].items():
        for variable in marble["Parameters"]["Env"]:
            if "`%s`" % variable not in reference and variable not in reference:
                later.add((PRODUCTS[name]["service"], variable))
    served = subprocess.run([BINARY, "serve", "--help"], stdout=subprocess.PIPE, text=True).stdout
    absent = {service for service in ("compute", "coordinator")
              if re.search(r"%s .*not in this build" % service, served)}
    check(not [one for one in later if one[0] not in absent], later)


@scenario
def TheGramineManifestMeasuresWhatItMust(world):
    text = GRAMINE.read_text()
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for forbidden in ("insecure__", "allow_all_but_log", "sgx.debug = true", "sgx.debug=true",
                      "loader.argv_src_file", "use_cmdline_argv", "use_host_env"):
        check(forbidden not in code, forbidden)
    for needed in ('sgx.remote_attestation = "dcap"', "sgx.isvprodid = {{ product_id }}",
                   "sys.disallow_subprocesses = true", '"--coordinator-root-sha256"',
                   '"platform.mode=gramine"', "sgx.debug = false"):
        check(needed in code, needed)
    passed = set(re.findall(r"loader\.env\.(\w+) = \{ passthrough = true \}", code))
    check(passed == {"EDG_MARBLE_COORDINATOR_ADDR", "EDG_MARBLE_DNS_NAMES"}, passed)
    allowed = re.search(r"sgx\.allowed_files = \[(.*?)\]", code, re.S).group(1)
    check(allowed.strip() == '"file:host/uuid"', allowed)


@scenario
def TheUnitsAreHardened(world):
    for product in PRODUCTS.values():
        service = product["service"]
        text = (PACKAGING / "systemd" / ("adyton-%s.service" % service)).read_text()
        for line in ("DynamicUser=yes", "NoNewPrivileges=yes", "LimitCORE=0", "UMask=0077",
                     "ProtectSystem=strict", "PrivateDevices=yes", "CapabilityBoundingSet=",
                     "MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service",
                     "SystemCallFilter=memfd_secret", "RestrictSUIDSGID=yes",
                     "SystemCallArchitectures=native"):
            check("\n%s" % line in text, service, "lacks", line)
        namespaces = re.search(r"RestrictNamespaces=(.*)", text).group(1)
        check((namespaces == "yes") == (service != "compute"), service, namespaces)
        check("LoadCredentialEncrypted=" in text, service, "takes no credential")
        check(not re.search(r"^Environment=.*(KEY|SECRET)", text, re.M), service, "secret in it")


@scenario
def TheEvidenceBrokersUnitIsRootWithEverythingElseRemoved(world):
    text = (PACKAGING / "systemd" / "adyton-evidence.service").read_text()
    for line in ("ExecStart=/usr/bin/adyton evidence-broker --platform tsm", "NoNewPrivileges=yes",
                 "LimitCORE=0", "ProtectSystem=strict", "ProtectHome=yes", "PrivateNetwork=yes",
                 "RestrictAddressFamilies=AF_UNIX", "CapabilityBoundingSet=\n", "IPAddressDeny=any",
                 "ReadWritePaths=/sys/kernel/config/tsm", "RuntimeDirectoryMode=0750",
                 "Group=adyton-evidence", "SystemCallFilter=@system-service"):
        check("\n%s" % line in text, "lacks", line)
    check("Credential" not in text and "/etc/adyton" not in text, "it needs no secret")


@scenario
def SystemdUnderstandsTheUnits(world):
    if shutil.which("systemd-analyze") is None:
        raise NotRun("needs systemd-analyze")
    for unit in sorted((PACKAGING / "systemd").glob("*.service")):
        copy = world.directory / unit.name
        copy.write_text(unit.read_text().replace("/usr/bin/adyton", BINARY))
        done = subprocess.run(["systemd-analyze", "verify", str(copy)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        own = [line for line in done.stdout.splitlines() if unit.name in line]
        check(done.returncode == 0 and not own, done.stdout)


if __name__ == "__main__":
    main()
