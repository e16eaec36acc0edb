// ends: failed
// stack
function f(n) { return f(n + 1) + 1; } function main() { return f(0); }
