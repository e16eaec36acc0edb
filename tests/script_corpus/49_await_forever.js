// ends: failed
// never settles
async function main() { await new Promise(() => {}); }
