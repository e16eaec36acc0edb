// ends: timed_out
// host calls without end
function main() { for (;;) Math.random(); }
