// ends: out_of_memory failed
// buffers
function main() { const a = []; for (;;) a.push(new ArrayBuffer(1 << 20)); }
