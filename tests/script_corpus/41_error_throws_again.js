// ends: failed
// error without a text
function main() { throw { toString() { throw { toString() { throw 1; } }; } }; }
