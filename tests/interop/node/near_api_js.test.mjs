// near-api-js and Adyton encode, hash, sign and decode the same random transactions, delegates,
// NEP-413 messages and keys, each on its own, and must agree on every byte.
// ADYTON_NEAR_PEER is a program that answers for Adyton, one JSON line a request
// (tests/interop/near_peer.cpp). ADYTON_INTEROP_SEED makes a run repeat.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import {
  KeyPair,
  KeyPairSigner,
  PublicKey,
  Signature,
  SignedTransaction,
  actions,
  baseEncode,
  buildDelegateAction,
  createTransaction,
  decodeSignedTransaction,
  encodeDelegateAction,
  encodeSignedDelegate,
  encodeTransaction,
  keyToImplicitAddress,
} from "near-api-js";

const PEER = process.env.ADYTON_NEAR_PEER;
const SEED = Number(process.env.ADYTON_INTEROP_SEED ?? 20261121);
const COUNTS = { keys: 500, transactions: 1500, delegates: 1000, messages: 1000, random: 1000 };

console.log(`near-api-js: seed ${SEED}`);

// --- random values ---------------------------------------------------------------------------

let state = SEED >>> 0;
function next() {
  // mulberry32
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return (t ^ (t >>> 14)) >>> 0;
}
const below = (bound) => next() % bound;
const pick = (list) => list[below(list.length)];
const bytes = (size) => Uint8Array.from({ length: size }, () => next() & 0xff);
const someBytes = (max) => bytes(below(max + 1));

function unsigned(bits) {
  const edges = [0n, 1n, (1n << BigInt(bits)) - 1n, 1n << BigInt(bits - 1)];
  if (below(4) === 0) return pick(edges);
  let value = 0n;
  for (let i = 0; i < bits / 32; i++) value = (value << 32n) | BigInt(next());
  return value >> BigInt(below(bits));
}
const TEXTS = ["", "a", "ft_transfer", "{}", '"q"', "line\nfeed", "über", "🚀", "\u2028<&>", "x".repeat(300)];
const text = () => Array.from({ length: below(4) }, () => pick(TEXTS)).join("");
const ACCOUNTS = ["bob.near", "intents.near", "aa", "x-1_2.y", "0x" + "ab".repeat(20), "a".repeat(64)];
const account = () => (below(3) === 0 ? Buffer.from(bytes(32)).toString("hex") : pick(ACCOUNTS));
const publicKey = () =>
  below(5) === 0 ? "secp256k1:" + baseEncode(bytes(64)) : "ed25519:" + baseEncode(bytes(32));

function secretKey() {
  const seed = bytes(32);
  // base58 goes wrong at leading zeros first
  seed.fill(0, 0, below(3));
  const pair = KeyPair.fromString("ed25519:" + baseEncode(withPublicHalf(seed)));
  return pair;
}
function withPublicHalf(seed) {
  const half = KeyPair.fromString("ed25519:" + baseEncode(seed)).getPublicKey().data;
  return Uint8Array.from([...seed, ...half]);
}

// --- actions: a description that Adyton reads, and what near-api-js makes of the same ----------

const base64 = (array) => Buffer.from(array).toString("base64");
const KINDS = {
  CreateAccount: () => ({ description: {}, action: actions.createAccount() }),
  DeployContract: () => {
    const code = someBytes(500);
    return { description: { code: base64(code) }, action: actions.deployContract(code) };
  },
  FunctionCall: () => {
    const call = { method_name: text(), gas: unsigned(64), deposit: unsigned(128) };
    const utf8 = below(2) === 0;
    const args = utf8 ? Buffer.from(text()) : someBytes(300);
    const given = utf8 ? { args_utf8: Buffer.from(args).toString() } : { args_base64: base64(args) };
    return {
      description: { ...call, ...given, gas: String(call.gas), deposit: String(call.deposit) },
      action: actions.functionCall(call.method_name, Uint8Array.from(args), call.gas, call.deposit),
    };
  },
  Transfer: () => {
    const deposit = unsigned(128);
    return { description: { deposit: String(deposit) }, action: actions.transfer(deposit) };
  },
  Stake: () => {
    const [stake, key] = [unsigned(128), publicKey()];
    return {
      description: { stake: String(stake), public_key: key },
      action: actions.stake(stake, PublicKey.from(key)),
    };
  },
  AddKey: () => {
    const key = publicKey();
    if (below(2) === 0) {
      return {
        description: { public_key: key, access_key: { nonce: "0", permission: "FullAccess" } },
        action: actions.addFullAccessKey(PublicKey.from(key)),
      };
    }
    const allowance = below(2) === 0 ? null : unsigned(128);
    const names = Array.from({ length: below(4) }, text);
    const receiver = account();
    return {
      description: {
        public_key: key,
        access_key: {
          nonce: "0",
          permission: {
            FunctionCall: {
              allowance: allowance === null ? null : String(allowance),
              receiver_id: receiver,
              method_names: names,
            },
          },
        },
      },
      action: actions.addFunctionCallAccessKey(PublicKey.from(key), receiver, names, allowance),
    };
  },
  DeleteKey: () => {
    const key = publicKey();
    return { description: { public_key: key }, action: actions.deleteKey(PublicKey.from(key)) };
  },
  DeleteAccount: () => {
    const beneficiary = account();
    return {
      description: { beneficiary_id: beneficiary },
      action: actions.deleteAccount(beneficiary),
    };
  },
  DeployGlobalContract: () => {
    const [code, byHash] = [someBytes(100), below(2) === 0];
    return {
      description: { code: base64(code), deploy_mode: byHash ? "CodeHash" : "AccountId" },
      action: actions.deployGlobalContract(code, byHash ? "codeHash" : "accountId"),
    };
  },
  UseGlobalContract: () => {
    if (below(2) === 0) {
      const id = account();
      return {
        description: { contract_identifier: { account_id: id } },
        action: actions.useGlobalContract({ accountId: id }),
      };
    }
    const hash = bytes(32);
    return {
      description: { contract_identifier: { hash: baseEncode(hash) } },
      action: actions.useGlobalContract({ codeHash: hash }),
    };
  },
};

function plainAction() {
  const kind = pick(Object.keys(KINDS));
  const { description, action } = KINDS[kind]();
  return { description: { type: kind, ...description }, action };
}

const sha256 = (data) => createHash("sha256").update(data).digest();

function signedBy(pair, digest) {
  const { signature } = pair.sign(digest);
  return new Signature({ keyType: 0, data: signature });
}

function delegate(pair) {
  const inner = Array.from({ length: below(4) }, plainAction);
  const fields = {
    sender_id: account(),
    receiver_id: account(),
    nonce: unsigned(64),
    max_block_height: unsigned(64),
  };
  const built = buildDelegateAction({
    actions: inner.map((one) => one.action),
    senderId: fields.sender_id,
    receiverId: fields.receiver_id,
    nonce: fields.nonce,
    maxBlockHeight: fields.max_block_height,
    publicKey: pair.getPublicKey(),
  });
  const signable = encodeDelegateAction(built);
  const signature = signedBy(pair, sha256(signable));
  return {
    description: {
      sender_id: fields.sender_id,
      receiver_id: fields.receiver_id,
      actions: inner.map((one) => one.description),
      nonce: String(fields.nonce),
      max_block_height: String(fields.max_block_height),
      public_key: pair.getPublicKey().toString(),
    },
    signable,
    signature,
    parts: { delegateAction: built, signature },
  };
}

function anyAction() {
  if (below(6) !== 0) return plainAction();
  const inner = delegate(secretKey());
  return {
    description: {
      type: "Delegate",
      delegate_action: inner.description,
      signature: "ed25519:" + baseEncode(inner.signature.data),
    },
    action: actions.signedDelegate(inner.parts),
  };
}

// --- the other side ----------------------------------------------------------------------------

let peer;
const waiting = [];
before(() => {
  assert.ok(PEER, "ADYTON_NEAR_PEER is not set");
  peer = spawn(PEER, { stdio: ["pipe", "pipe", "inherit"] });
  createInterface({ input: peer.stdout }).on("line", (line) => waiting.shift()(JSON.parse(line)));
});
after(() => peer.stdin.end());

function ask(request) {
  return new Promise((resolve) => {
    waiting.push(resolve);
    peer.stdin.write(JSON.stringify(request) + "\n");
  });
}
async function answered(request) {
  const answer = await ask(request);
  assert.equal(answer.error, undefined, `${answer.error}: ${JSON.stringify(request)}`);
  return answer;
}

// Descriptions give arguments in one of several forms; the bytes are what counts.
function normalized(value) {
  if (Array.isArray(value)) return value.map(normalized);
  if (value === null || typeof value !== "object") return value;
  const out = {};
  for (const [name, member] of Object.entries(value)) {
    if (name === "args_utf8") out.args = base64(Buffer.from(member));
    else if (name === "args_base64") out.args = member;
    else out[name] = normalized(member);
  }
  return out;
}

// --- what must agree -----------------------------------------------------------------------------

test(`${COUNTS.keys} keys: texts, implicit accounts and signatures agree`, async () => {
  for (let i = 0; i < COUNTS.keys; i++) {
    const pair = secretKey();
    const message = someBytes(100);
    const { signature } = pair.sign(message);
    const answer = await answered({
      op: "key",
      secret_key: pair.toString(),
      message_hex: Buffer.from(message).toString("hex"),
      signature: "ed25519:" + baseEncode(signature),
    });
    assert.equal(answer.public_key, pair.getPublicKey().toString());
    assert.equal(answer.account_id, keyToImplicitAddress(pair.getPublicKey()));
    assert.equal(answer.secret_key, pair.toString());
    assert.equal(answer.signature, "ed25519:" + baseEncode(signature));
    assert.equal(answer.verified, true);
  }
});

test(`${COUNTS.transactions} transactions: bytes, hashes and signatures agree, read both ways`, async () => {
  const seen = new Set();
  for (let i = 0; i < COUNTS.transactions; i++) {
    const pair = secretKey();
    const parts = Array.from({ length: below(5) }, anyAction);
    for (const one of parts) seen.add(one.description.type);
    const description = {
      signer_id: account(),
      public_key: pair.getPublicKey().toString(),
      nonce: String(unsigned(64)),
      receiver_id: account(),
      block_hash: baseEncode(bytes(32)),
      actions: parts.map((one) => one.description),
    };
    const transaction = createTransaction(
      description.signer_id,
      pair.getPublicKey(),
      description.receiver_id,
      BigInt(description.nonce),
      parts.map((one) => one.action),
      Uint8Array.from(Buffer.from(decode58(description.block_hash))),
    );
    const encoded = encodeTransaction(transaction);
    const digest = sha256(encoded);
    const signed = new SignedTransaction({ transaction, signature: signedBy(pair, digest) });
    const theirs = base64(encodeTransaction(signed));

    const ours = await answered({
      op: "transaction",
      secret_key: pair.toString(),
      transaction: description,
    });
    assert.equal(ours.bytes, base64(encoded));
    assert.equal(ours.hash, baseEncode(digest));
    assert.equal(ours.signed, theirs);

    // Adyton reads what near-api-js wrote.
    const { transaction: read } = await answered({ op: "read_transaction", signed: theirs });
    const { hash, signature, signature_valid, ...fields } = read;
    assert.deepEqual(normalized(fields), normalized(description));
    assert.equal(hash, ours.hash);
    assert.equal(signature_valid, true);
    assert.equal(signature, "ed25519:" + baseEncode(signed.signature.data));
    // And refuses what was cut or has more behind it.
    const raw = Buffer.from(theirs, "base64");
    const cut = raw.subarray(0, below(raw.length)).toString("base64");
    assert.ok((await ask({ op: "read_transaction", signed: cut })).error);
    const longer = Buffer.concat([raw, bytes(1 + below(3))]).toString("base64");
    assert.ok((await ask({ op: "read_transaction", signed: longer })).error);
    // A changed bit never verifies as it stands.
    const changed = Buffer.from(raw);
    changed[below(raw.length)] ^= 1 << below(8);
    const after = await ask({ op: "read_transaction", signed: changed.toString("base64") });
    assert.ok(after.error !== undefined || after.transaction.signature_valid === false);
  }
  assert.equal(seen.size, Object.keys(KINDS).length + 1, [...seen].join(" "));
});

test(`${COUNTS.random} transactions made by Adyton: near-api-js reads and writes them the same`, async () => {
  for (let i = 0; i < COUNTS.random; i++) {
    const answer = await answered({ op: "random", seed: next() });
    const raw = Uint8Array.from(Buffer.from(answer.signed, "base64"));
    const signed = decodeSignedTransaction(raw);
    assert.equal(base64(encodeTransaction(signed)), answer.signed);
    assert.equal(base64(encodeTransaction(signed.transaction)), answer.bytes);
    const digest = sha256(encodeTransaction(signed.transaction));
    assert.equal(baseEncode(digest), answer.hash);
    const { transaction } = answer;
    assert.equal(signed.transaction.signerId, transaction.signer_id);
    assert.equal(signed.transaction.receiverId, transaction.receiver_id);
    assert.equal(String(signed.transaction.nonce), transaction.nonce);
    assert.equal(signed.transaction.actions.length, transaction.actions.length);
    const key = PublicKey.from(transaction.public_key);
    assert.ok(key.verify(digest, decode58(transaction.signature.split(":")[1])));
  }
});

test(`${COUNTS.delegates} delegates: signed bytes and hashes agree, read both ways`, async () => {
  for (let i = 0; i < COUNTS.delegates; i++) {
    const pair = secretKey();
    const one = delegate(pair);
    const theirs = base64(encodeSignedDelegate(one.parts));
    const ours = await answered({
      op: "delegate",
      secret_key: pair.toString(),
      delegate: one.description,
    });
    assert.equal(ours.signable, base64(one.signable));
    assert.equal(ours.hash, baseEncode(sha256(one.signable)));
    assert.equal(ours.signed, theirs);
    const read = await answered({ op: "read_delegate", signed: theirs });
    assert.deepEqual(normalized(read.delegate), normalized(one.description));
    assert.equal(read.valid, true);
    // With the action tag in front it is another thing.
    const tagged = Buffer.concat([Buffer.from([8]), Buffer.from(theirs, "base64")]);
    assert.ok((await ask({ op: "read_delegate", signed: tagged.toString("base64") })).error);
  }
});

test(`${COUNTS.messages} NEP-413 messages: signatures agree, and hold for nothing else`, async () => {
  for (let i = 0; i < COUNTS.messages; i++) {
    const pair = secretKey();
    const signer = new KeyPairSigner(pair);
    const nonce = bytes(32);
    const payload = { message: text(), nonce, recipient: text() };
    if (below(2) === 0) payload.callbackUrl = pick(["https://example.com/callback?a=1&b=<2>", text() + "x"]);
    const theirs = await signer.signNep413Message("alice.near", payload);
    const request = {
      op: "message",
      secret_key: pair.toString(),
      message: payload.message,
      nonce: base64(nonce),
      recipient: payload.recipient,
    };
    if (payload.callbackUrl !== undefined) request.callback_url = payload.callbackUrl;
    const ours = await answered(request);
    const signature = Buffer.from(
      typeof theirs.signature === "string" ? Buffer.from(theirs.signature, "base64") : theirs.signature,
    );
    assert.equal(ours.payload.signature, "ed25519:" + baseEncode(Uint8Array.from(signature)));
    assert.ok(pair.getPublicKey().verify(Buffer.from(ours.hash, "base64"), Uint8Array.from(signature)));
    assert.equal((await answered({ op: "check_message", payload: ours.payload })).valid, true);
    const other = structuredClone(ours.payload);
    other.payload.message += " ";
    assert.equal((await answered({ op: "check_message", payload: other })).valid, false);
  }
});

function decode58(text) {
  const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  let value = 0n;
  for (const c of text) value = value * 58n + BigInt(alphabet.indexOf(c));
  const out = [];
  for (; value > 0n; value >>= 8n) out.unshift(Number(value & 0xffn));
  for (const c of text) {
    if (c !== "1") break;
    out.unshift(0);
  }
  return Uint8Array.from(out);
}
