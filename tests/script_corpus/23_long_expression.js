// ends: failed completed timed_out
// flat but long
function main() { return eval('1' + '+1'.repeat(400000)); }
