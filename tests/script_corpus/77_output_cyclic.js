// ends: failed
// cycle
function main() { const o = {}; o.o = o; return o; }
