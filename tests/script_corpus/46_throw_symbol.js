// ends: failed
// no text
function main() { throw Symbol('s'); }
