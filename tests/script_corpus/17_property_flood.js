// ends: timed_out out_of_memory failed
// shapes and atoms
function main() { const o = {}; for (let i = 0; ; i++) o['property_' + i] = i; }
