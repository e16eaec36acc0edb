// ends: failed out_of_memory
// output past its size
function main() { return 'x'.repeat(2000000); }
