// ends: failed
// function nesting
function main() { return eval('function f(){'.repeat(50000) + '}'.repeat(50000)); }
