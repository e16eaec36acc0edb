// ends: timed_out
// getter in the output
function main() { return { get x() { for (;;) {} } }; }
