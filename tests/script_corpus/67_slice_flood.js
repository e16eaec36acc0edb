// ends: out_of_memory failed timed_out
// string copies
function main() { const a = []; const s = 'x'.repeat(1e6); for (;;) a.push(s.slice(1) + a.length); }
