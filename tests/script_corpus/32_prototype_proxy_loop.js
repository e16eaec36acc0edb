// ends: failed
// endless prototype chain
function main() { const p = new Proxy({}, {}); Object.setPrototypeOf(p, Object.create(p)); return p.x; }
