// ends: failed
// recursion through natives
function main() { const o = { toJSON() { return JSON.stringify(o); } }; return o; }
