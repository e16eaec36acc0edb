// ends: timed_out
// toJSON in the output
function main() { return { toJSON() { for (;;) {} } }; }
