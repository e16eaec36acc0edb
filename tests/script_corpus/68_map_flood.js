// ends: out_of_memory failed timed_out
// map entries
function main() { const m = new Map(); for (let i = 0; ; i++) m.set({}, i); }
