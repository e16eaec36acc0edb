// ends: timed_out
// catastrophic backtracking
function main() { return /^(a+)+$/.test('a'.repeat(40) + 'b'); }
