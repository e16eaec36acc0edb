// ends: out_of_memory failed timed_out
// closures
function main() { const a = []; for (;;) a.push(() => a); }
