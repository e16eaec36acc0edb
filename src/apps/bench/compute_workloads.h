#pragma once

#include <array>
#include <string>
#include <string_view>

// What the compute benchmark runs, here and with its peers.
namespace adyton::apps::bench {

inline constexpr std::string_view kTrivialScript =
    "function main(input) { return { sum: input.a + input.b, n: input.list.length }; }";
// 1 KB of JSON, as the reference measurements had.
std::string trivial_input();

// Scripts with a function main(), one run each; the shapes of the reference measurements. Those in
// the mean are its eight; peers that copy a whole string for each append take minutes for the
// other.
struct Workload {
    std::string_view name;
    std::string_view source;
    bool in_mean = true;
};
inline constexpr std::array<Workload, 9> kWorkloads = {{
    {"loop_sum_1e7",
     "function main() { let s = 0; for (let i = 0; i < 1e7; i++) s += i; return s; }"},
    {"fib_30",
     "function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); } "
     "function main() { return fib(30); }"},
    {"sha256_1mb", R"js(
const K = [];
(() => { let n = 2; while (K.length < 64) { let prime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
  if (prime) { const r = Math.cbrt(n); K.push(Math.floor((r - Math.floor(r)) * 4294967296) | 0); }
  n++; } })();
function block(h, w, data, at) {
  for (let i = 0; i < 16; i++, at += 4)
    w[i] = (data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3];
  for (let i = 16; i < 64; i++) {
    const a = w[i - 15], b = w[i - 2];
    const s0 = ((a >>> 7) | (a << 25)) ^ ((a >>> 18) | (a << 14)) ^ (a >>> 3);
    const s1 = ((b >>> 17) | (b << 15)) ^ ((b >>> 19) | (b << 13)) ^ (b >>> 10);
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
  }
  let [a, b, c, d, e, f, g, i7] = h;
  for (let i = 0; i < 64; i++) {
    const S1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (i7 + S1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
    const S0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (S0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    i7 = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += i7;
}
function main() {
  const data = new Uint8Array(1 << 20);
  for (let i = 0; i < data.length; i++) data[i] = i * 7;
  const h = new Int32Array([1779033703, -1150833019, 1013904242, -1521486534, 1359893119,
    -1694144372, 528734635, 1541459225]);
  const w = new Int32Array(64);
  for (let at = 0; at < data.length; at += 64) block(h, w, data, at);
  return h[0];
}
)js"},
    {"json_1mb",
     "function main() { const a = []; for (let i = 0; i < 9000; i++) a.push({ id: i, name: 'name ' "
     "+ i, tags: ['a', 'b', 'c'], nested: { x: i / 3, y: true, z: null } }); "
     "let text = JSON.stringify(a); return JSON.stringify(JSON.parse(text)).length; }"},
    {"regex_replace",
     "function main() { let s = 'The quick brown fox 12345 jumps over 67 dogs. '.repeat(500); let "
     "n = 0; const r = /([a-z]+)\\s(\\d+)/g; for (let i = 0; i < 5; i++) { while (r.exec(s)) n++; "
     "n += s.replace(/[aeiou]/g, (c) => c.toUpperCase()).length; } return n; }"},
    {"sort_1e5",
     "function main() { let x = 1; const a = []; for (let i = 0; i < 1e5; i++) { x = (x * "
     "1103515245 + 12345) % 2147483648; a.push(x); } a.sort((p, q) => p - q); return a[0]; }"},
    {"bigint_modexp",
     "function main() { const m = (1n << 255n) - 19n; let r = 1n; for (let k = 0; k < 30; k++) { "
     "let b = 3n + BigInt(k), e = m - 2n, p = 1n; while (e > 0n) { if (e & 1n) p = p * b % m; "
     "b = b * b % m; e >>= 1n; } r = r * p % m; } return r.toString(); }"},
    {"objects_200k",
     "function main() { const a = []; for (let i = 0; i < 200000; i++) a.push({ id: i, v: i % 7 "
     "}); return a.map((o) => ({ ...o, w: o.v * 2 })).filter((o) => o.w > 4)"
     ".reduce((s, o) => s + o.w, 0); }"},
    {"string_300k",
     "function main() { let s = ''; for (let i = 0; i < 300000; i++) s += 'ab'; return s.length; }",
     false},
}};

}  // namespace adyton::apps::bench
