// ends: failed
// regular expression compiler
function main() { return new RegExp("(".repeat(50000)); }
