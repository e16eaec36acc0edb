// ends: failed out_of_memory
// one huge string
function main() { return 'x'.padStart(2 ** 30).length; }
