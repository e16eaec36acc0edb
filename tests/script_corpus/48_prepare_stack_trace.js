// ends: failed timed_out
// hook of the stack
function main() { Error.prepareStackTrace = () => { for (;;) {} }; throw new Error("x"); }
