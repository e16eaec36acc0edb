// ends: failed out_of_memory timed_out
// output past its size in bytes
function main() { return new Array(1000000).fill('\u20ac'); }
