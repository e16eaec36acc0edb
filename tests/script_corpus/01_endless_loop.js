// ends: timed_out
// the plainest one
function main() { for (;;) {} }
