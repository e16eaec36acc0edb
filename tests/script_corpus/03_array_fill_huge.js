// ends: any
// native loop over a sparse array
function main() { return new Array(1e9).fill(0).length; }
