// ends: failed completed
// native recursion through proxies
function main() { let p = {}; for (let i = 0; i < 100000; i++) p = new Proxy(p, {}); return p.x; }
