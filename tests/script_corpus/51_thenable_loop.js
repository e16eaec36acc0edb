// ends: timed_out failed out_of_memory
// thenable that resolves to itself
function main() { const t = { then(r) { r(t); } }; return Promise.resolve(t); }
