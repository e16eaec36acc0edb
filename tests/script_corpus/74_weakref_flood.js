// ends: out_of_memory failed timed_out
// weak references
function main() { const a = []; for (;;) a.push(new WeakRef({})); }
