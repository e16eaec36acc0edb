// ends: failed completed
// regular expression compiler recursion
function main() { return new RegExp("(".repeat(20000) + ")".repeat(20000)).test(""); }
