// ends: failed completed
// JSON nesting
function main() { return JSON.parse('['.repeat(300000) + ']'.repeat(300000)).length; }
