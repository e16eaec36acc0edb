// ends: failed
// cannot be touched
function main() { const r = Proxy.revocable({}, {}); r.revoke(); throw r.proxy; }
