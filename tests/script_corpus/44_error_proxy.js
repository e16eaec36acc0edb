// ends: failed
// error behind a proxy
function main() { throw new Proxy(new Error('x'), { get() { throw new Error('y'); } }); }
