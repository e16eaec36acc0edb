// ends: out_of_memory failed timed_out
// heap growth
function main() { const a = []; for (;;) a.push('x'.repeat(100) + a.length); }
