// ends: completed failed
// a long argument list
function main() { Math.random(...new Array(50000).fill({})); return 1; }
