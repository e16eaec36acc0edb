// near-api-js against the local NEAR chain (a SIMULATOR) of a running `adyton dev` at
// ADYTON_NEAR_RPC_URL: it reads the chain, and what it signs is executed: a transfer, a function
// call, a delegate relayed by somebody else, a limited key. Accounts are made from fresh keys and
// paid for by the faucet.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import {
  Account,
  JsonRpcProvider,
  KeyPair,
  KeyPairSigner,
  actions,
  baseDecode,
  baseEncode,
  createTransaction,
  keyToImplicitAddress,
} from "near-api-js";

const URL = process.env.ADYTON_NEAR_RPC_URL;
const NEAR = 10n ** 24n;
const TGAS = 10n ** 12n;
const COUNTER = "count.mike.near";

let provider;
let alice;
let bob;

async function rpc(method, params) {
  const answer = await fetch(URL, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const json = await answer.json();
  if (json.error) throw new Error(JSON.stringify(json.error));
  return json.result;
}

async function person(amount) {
  const pair = KeyPair.fromRandom("ed25519");
  const id = keyToImplicitAddress(pair.getPublicKey());
  const paid = await rpc("adyton_faucet", { account_id: id, amount: String(amount) });
  await provider.viewTransactionStatus({
    txHash: paid.hash,
    accountId: paid.sender_account_id,
    waitUntil: "FINAL",
  });
  const signer = new KeyPairSigner(pair);
  return { id, pair, signer, account: new Account(id, provider, signer) };
}

const count = () => provider.callFunction({ contractId: COUNTER, method: "get_count", args: {} });

before(async () => {
  assert.ok(URL, "set ADYTON_NEAR_RPC_URL");
  provider = new JsonRpcProvider({ url: URL });
  [alice, bob] = await Promise.all([person(100n * NEAR), person(100n * NEAR)]);
});

test("the status says that this is a simulator", async () => {
  const status = await provider.viewNodeStatus();
  assert.equal(status.chain_id, "adyton-local");
  assert.match(status.version.version, /SIMULATOR/);
});

test("blocks follow one another and are found by hash and height", async () => {
  const last = await provider.viewBlock({ finality: "final" });
  const before = await provider.viewBlock({ blockId: last.header.prev_hash });
  assert.equal(before.header.hash, last.header.prev_hash);
  assert.equal(before.header.height, last.header.prev_height);
  const again = await provider.viewBlock({ blockId: before.header.height });
  assert.equal(again.header.hash, before.header.hash);
  assert.ok(BigInt(last.header.timestamp_nanosec) > BigInt(before.header.timestamp_nanosec));
});

test("accounts, keys and views are read", async () => {
  const account = await provider.viewAccount({ accountId: alice.id });
  assert.equal(BigInt(account.amount), 100n * NEAR);
  const key = await provider.viewAccessKey({
    accountId: alice.id,
    publicKey: alice.pair.getPublicKey(),
  });
  assert.equal(key.permission, "FullAccess");
  const list = await provider.viewAccessKeyList({ accountId: alice.id });
  assert.equal(list.keys.length, 1);
  const tiers = await provider.callFunction({
    contractId: "gate.sequential.near",
    method: "get_fee_tiers",
    args: {},
  });
  assert.equal(tiers.length, 3);
});

test("what is not there is an error of its kind", async () => {
  await assert.rejects(provider.viewAccount({ accountId: "nobody.near" }));
  await assert.rejects(
    provider.viewAccessKey({ accountId: alice.id, publicKey: bob.pair.getPublicKey() }),
  );
  await assert.rejects(
    provider.callFunction({ contractId: COUNTER, method: "fail", args: {} }),
    /ordered failure/,
  );
});

test("a signed transfer arrives", async () => {
  const before = BigInt((await provider.viewAccount({ accountId: bob.id })).amount);
  const outcome = await alice.account.signAndSendTransaction({
    receiverId: bob.id,
    actions: [actions.transfer(3n * NEAR)],
    waitUntil: "FINAL",
  });
  assert.equal(outcome.final_execution_status, "FINAL");
  assert.deepEqual(outcome.status, { SuccessValue: "" });
  const after = BigInt((await provider.viewAccount({ accountId: bob.id })).amount);
  assert.equal(after - before, 3n * NEAR);
});

test("a function call runs and its status is told again with receipts", async () => {
  const before = await count();
  const outcome = await alice.account.signAndSendTransaction({
    receiverId: COUNTER,
    actions: [actions.functionCall("increase", {}, 30n * TGAS, 0n)],
    waitUntil: "FINAL",
  });
  assert.equal(await count(), before + 1);
  const status = await provider.viewTransactionStatusWithReceipts({
    txHash: outcome.transaction.hash,
    accountId: alice.id,
    waitUntil: "FINAL",
  });
  assert.equal(status.receipts[0].receiver_id, COUNTER);
  assert.equal(status.receipts[0].predecessor_id, alice.id);
  assert.match(status.receipts_outcome[0].outcome.logs[0], /^count is /);
});

test("a failing call is a failure with the contract's words", async () => {
  await assert.rejects(
    alice.account.signAndSendTransaction({
      receiverId: COUNTER,
      actions: [actions.functionCall("fail", {}, 30n * TGAS, 0n)],
      waitUntil: "FINAL",
      throwOnFailure: true,
    }),
    /ordered failure/,
  );
});

test("a delegate that one signs and another relays runs as its sender", async () => {
  const before = await count();
  const spent = BigInt((await provider.viewAccount({ accountId: alice.id })).amount);
  const { signedDelegate } = await alice.account.createSignedMetaTransaction({
    receiverId: COUNTER,
    actions: [actions.functionCall("increase", {}, 30n * TGAS, 0n)],
  });
  await bob.account.signAndSendTransaction({
    receiverId: alice.id,
    actions: [actions.signedDelegate(signedDelegate)],
    waitUntil: "FINAL",
  });
  assert.equal(await count(), before + 1);
  const left = BigInt((await provider.viewAccount({ accountId: alice.id })).amount);
  assert.equal(left, spent, "the relayer pays");
});

test("a limited key calls what it may and nothing else", async () => {
  const pair = KeyPair.fromRandom("ed25519");
  await alice.account.signAndSendTransaction({
    receiverId: alice.id,
    actions: [
      actions.addFunctionCallAccessKey(pair.getPublicKey(), COUNTER, ["increase"], NEAR / 4n),
    ],
    waitUntil: "FINAL",
  });
  const limited = new Account(alice.id, provider, new KeyPairSigner(pair));
  const before = await count();
  await limited.signAndSendTransaction({
    receiverId: COUNTER,
    actions: [actions.functionCall("increase", {}, 30n * TGAS, 0n)],
    waitUntil: "FINAL",
  });
  assert.equal(await count(), before + 1);
  await assert.rejects(
    limited.signAndSendTransaction({ receiverId: bob.id, actions: [actions.transfer(1n)] }),
  );
});

test("a used nonce is refused by name", async () => {
  const key = await provider.viewAccessKey({
    accountId: bob.id,
    publicKey: bob.pair.getPublicKey(),
    finalityQuery: { finality: "optimistic" },
  });
  const block = await provider.viewBlock({ finality: "final" });
  const transaction = createTransaction(
    bob.id,
    bob.pair.getPublicKey(),
    alice.id,
    BigInt(key.nonce),
    [actions.transfer(1n)],
    baseDecode(block.header.hash),
  );
  const { signedTransaction } = await bob.signer.signTransaction(transaction);
  await assert.rejects(provider.sendTransaction(signedTransaction), /[Nn]once/);
});

test("what near-api-js signs is taken by the intents contract", async () => {
  const paid = await rpc("adyton_faucet", {
    account_id: alice.id,
    amount: String(NEAR),
    token: "intents",
  });
  await provider.viewTransactionStatus({
    txHash: paid.hash,
    accountId: paid.sender_account_id,
    waitUntil: "FINAL",
  });
  const message = JSON.stringify({
    signer_id: alice.id,
    deadline: new Date(Date.now() + 300_000).toISOString(),
    intents: [
      { intent: "transfer", receiver_id: bob.id, tokens: { "nep141:wrap.near": "7" } },
    ],
  });
  const nonce = crypto.getRandomValues(new Uint8Array(32));
  const signed = await alice.account.signNep413Message({
    message,
    recipient: "intents.near",
    nonce,
  });
  const payload = {
    standard: "nep413",
    payload: { message, nonce: Buffer.from(nonce).toString("base64"), recipient: "intents.near" },
    public_key: alice.pair.getPublicKey().toString(),
    signature: "ed25519:" + baseEncode(signed.signature),
  };
  const args = { signed: [payload] };
  const simulated = await provider.callFunction({
    contractId: "intents.near",
    method: "simulate_intents",
    args,
  });
  assert.equal(simulated.intents_executed.length, 1);
  // Anybody may bring it.
  const outcome = await bob.account.signAndSendTransaction({
    receiverId: "intents.near",
    actions: [actions.functionCall("execute_intents", args, 100n * TGAS, 0n)],
    waitUntil: "FINAL",
  });
  const logs = outcome.receipts_outcome.flatMap((one) => one.outcome.logs).join("\n");
  assert.ok(logs.includes(simulated.intents_executed[0].intent_hash));
  const balance = await provider.callFunction({
    contractId: "intents.near",
    method: "mt_balance_of",
    args: { account_id: bob.id, token_id: "nep141:wrap.near" },
  });
  assert.equal(balance, "7");
});
