// neon-js judges what a running pool answers: addresses, signatures, whole witnesses.
// ADYTON_POOL_URL is the pool in development mode (X-Service-ID names the caller).
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { CONST, tx, u, wallet } from "@cityofzion/neon-js";

const POOL = process.env.ADYTON_POOL_URL;
const SERVICE = "interop-neon-js";
const MAGIC = CONST.MAGIC_NUMBER.TestNet;
const HALF_ORDER = 0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8n;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest();
const hexOf = (base64) => Buffer.from(base64, "base64").toString("hex");

async function call(path, body, headers = {}) {
  const answer = await fetch(POOL + path, {
    method: body === undefined ? "GET" : "POST",
    headers: { "X-Service-ID": SERVICE, "Content-Type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

async function ok(path, body) {
  const answer = await call(path, body);
  assert.equal(answer.status, 200, `${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

// The message that a Neo N3 witness signs: network magic, then the transaction hash.
function messageFor(hash) {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(MAGIC);
  return Buffer.concat([magic, hash]);
}

let accounts = [];
let lockId;

before(async () => {
  const answer = await ok("/request", { count: 5, purpose: "interop with neon-js" });
  accounts = answer.accounts;
  lockId = answer.lock_id;
});

after(async () => {
  if (lockId !== undefined) await call("/release", { lock_id: lockId });
});

test("the pool hands out as many different accounts as asked, all valid Neo N3 addresses", () => {
  assert.equal(accounts.length, 5);
  assert.equal(new Set(accounts.map((one) => one.address)).size, 5);
  for (const one of accounts) assert.ok(wallet.isAddress(one.address, 0x35), one.address);
});

test("each address is the one that neon-js derives from the public key", async () => {
  for (const one of accounts) {
    const signed = await ok("/sign", {
      account_id: one.id,
      tx_hash: randomBytes(32).toString("base64"),
    });
    assert.equal(signed.account_id, one.id);
    const publicKey = hexOf(signed.public_key);
    assert.ok(wallet.isPublicKey(publicKey), publicKey);
    assert.equal(new wallet.Account(publicKey).address, one.address);
  }
});

test("neon-js verifies signatures, and refuses them for another message or another key", async () => {
  const keys = [];
  for (const one of accounts) {
    const message = messageFor(randomBytes(32));
    const signed = await ok("/sign", {
      account_id: one.id,
      tx_hash: sha256(message).toString("base64"),
    });
    const [signature, publicKey] = [hexOf(signed.signature), hexOf(signed.public_key)];
    assert.equal(signature.length, 128);
    // neon-js hashes the message itself.
    assert.ok(wallet.verify(message.toString("hex"), signature, publicKey));
    const other = Buffer.from(message);
    other[35] ^= 1;
    assert.ok(!wallet.verify(other.toString("hex"), signature, publicKey));
    if (keys.length > 0) {
      assert.ok(!wallet.verify(message.toString("hex"), signature, keys.at(-1)));
    }
    keys.push(publicKey);
  }
  assert.equal(new Set(keys).size, accounts.length);
});

test("signatures are deterministic and have a low s", async () => {
  for (let round = 0; round < 20; round++) {
    const request = {
      account_id: accounts[round % accounts.length].id,
      tx_hash: randomBytes(32).toString("base64"),
    };
    const first = await ok("/sign", request);
    const second = await ok("/sign", request);
    assert.equal(first.signature, second.signature);
    assert.ok(BigInt("0x" + hexOf(first.signature).slice(64)) <= HALF_ORDER);
  }
});

test("a batch keeps its order, and neon-js verifies every signature in it", async () => {
  const messages = Array.from({ length: 100 }, () => messageFor(randomBytes(32)));
  const requests = messages.map((message, index) => ({
    account_id: accounts[index % accounts.length].id,
    tx_hash: sha256(message).toString("base64"),
  }));
  const answer = await ok("/batch-sign", { requests });
  assert.equal(answer.signatures.length, 100);
  answer.signatures.forEach((signed, index) => {
    assert.equal(signed.account_id, requests[index].account_id);
    assert.ok(
      wallet.verify(messages[index].toString("hex"), hexOf(signed.signature), hexOf(signed.public_key)),
      `position ${index}`,
    );
  });
});

test("a transaction built by neon-js gets a witness whose script hash is the signer's", async () => {
  const [account] = accounts;
  const scriptHash = wallet.getScriptHashFromAddress(account.address);
  const transaction = new tx.Transaction({
    nonce: 7,
    systemFee: u.BigInteger.fromNumber(1000000),
    networkFee: u.BigInteger.fromNumber(2000000),
    validUntilBlock: 1000,
    signers: [{ account: scriptHash, scopes: tx.WitnessScope.CalledByEntry }],
    script: "4001",
  });
  const message = transaction.getMessageForSigning(MAGIC);
  const signed = await ok("/sign", {
    account_id: account.id,
    tx_hash: sha256(Buffer.from(message, "hex")).toString("base64"),
  });
  const [signature, publicKey] = [hexOf(signed.signature), hexOf(signed.public_key)];
  assert.ok(wallet.verify(message, signature, publicKey));
  const witness = tx.Witness.fromSignature(signature, publicKey);
  assert.equal(witness.scriptHash, scriptHash);
  transaction.addWitness(witness);
  const back = tx.Transaction.deserialize(transaction.serialize(true));
  assert.equal(back.witnesses[0].scriptHash, scriptHash);
  assert.equal(back.hash(), transaction.hash());
});

test("the master key is a point on the curve, and its hash is the hash of that point", async () => {
  const master = await ok("/master-key");
  assert.ok(wallet.isPublicKey(master.pubkey));
  assert.equal(sha256(Buffer.from(master.pubkey, "hex")).toString("hex"), master.hash);
});

test("after the release the pool signs no more", async () => {
  const given = await ok("/request", { count: 1 });
  const [account] = given.accounts;
  const request = { account_id: account.id, tx_hash: randomBytes(32).toString("base64") };
  await ok("/sign", request);
  const released = await ok("/release", { lock_id: given.lock_id });
  assert.equal(released.released_count, 1);
  const refused = await call("/sign", request);
  assert.ok([403, 409].includes(refused.status), String(refused.status));
  assert.equal(refused.body.code, `HTTP_${refused.status}`);
  assert.equal(refused.body.signature, undefined);
});

test("another service does not get a signature for an account it does not hold", async () => {
  const refused = await call(
    "/sign",
    { account_id: accounts[0].id, tx_hash: randomBytes(32).toString("base64") },
    { "X-Service-ID": "interop-someone-else" },
  );
  assert.equal(refused.status, 403);
  assert.equal(refused.body.signature, undefined);
});
