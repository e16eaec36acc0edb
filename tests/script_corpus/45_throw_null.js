// ends: failed
// no object
function main() { throw null; }
