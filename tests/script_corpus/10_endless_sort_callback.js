// ends: timed_out
// callback of a native function
function main() { return [3, 1, 2, 5, 4].sort(() => { for (;;) {} }); }
