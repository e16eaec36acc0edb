// ends: any
// view outside its buffer
function main() { const b = new ArrayBuffer(64, { maxByteLength: 1024 }); const v = new Uint8Array(b, 32); b.resize(8); return typeof test === "object" ? test.bytes(v).length : v.length; }
