// ends: failed
// message is cut
function main() { throw new Error('x'.repeat(1e6)); }
