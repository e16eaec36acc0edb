// ends: timed_out
// conversion
function main() { return 1 + { [Symbol.toPrimitive]() { for (;;) {} } }; }
