// ends: failed completed out_of_memory
// argument list
function main() { return Math.max.apply(null, new Array(10000000).fill(1)); }
