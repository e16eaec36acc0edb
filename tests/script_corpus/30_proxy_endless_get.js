// ends: timed_out
// traps while the output is written
function main() { return new Proxy({}, { get() { for (;;) {} }, ownKeys() { for (;;) {} } }); }
