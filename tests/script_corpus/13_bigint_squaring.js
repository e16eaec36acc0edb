// ends: timed_out out_of_memory failed
// BigInt growth
function main() { let n = 3n; for (;;) n = n * n; }
