// ends: failed
// no JSON form
function main() { return () => 1; }
