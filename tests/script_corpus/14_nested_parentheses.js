// ends: failed
// parser recursion
function main() { return eval('('.repeat(100000) + '1' + ')'.repeat(100000)); }
