// ends: completed
// nothing of a host is there
const names = ['process', 'require', 'module', 'std', 'os', 'bjson', 'scriptArgs', 'print', 'load', 'Deno', 'Bun',
    'fetch', 'XMLHttpRequest', 'WebAssembly', 'SharedArrayBuffer', 'Atomics', 'setTimeout', 'Worker', 'navigator'];
function main() { return names.filter((name) => typeof globalThis[name] !== 'undefined'); }
