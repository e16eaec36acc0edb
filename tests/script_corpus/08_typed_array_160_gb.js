// ends: failed out_of_memory
// more than the address space
function main() { const a = []; for (let i = 0; i < 10; i++) a.push(new Uint8Array(16 * 1024 ** 3)); return a.length; }
