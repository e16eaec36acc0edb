// ends: timed_out
// endless through microtasks
async function main() { for (;;) await null; }
