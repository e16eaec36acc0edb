// ends: failed
// host call inside a host call
function main() { const o = { toJSON() { console.log(o); } }; console.log(o); throw new Error("end"); }
