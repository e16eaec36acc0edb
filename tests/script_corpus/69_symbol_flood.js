// ends: out_of_memory failed timed_out
// registered symbols
function main() { const a = []; for (let i = 0; ; i++) a.push(Symbol.for("s" + i)); }
