// ends: any
// detached buffer
function main() { const b = new ArrayBuffer(64); const v = new Uint8Array(b); b.transfer(); return typeof test === "object" ? test.bytes(v).length : v.length; }
