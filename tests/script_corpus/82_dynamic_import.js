// ends: failed
// no module loader
async function main() { return await import('/etc/passwd'); }
