// ends: failed
// parser recursion, unfinished
function main() { return eval('['.repeat(200000)); }
