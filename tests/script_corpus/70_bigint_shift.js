// ends: failed out_of_memory timed_out
// one huge BigInt
function main() { return (1n << 1000000000n).toString().length; }
