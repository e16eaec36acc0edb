// ends: failed out_of_memory timed_out completed
// stringify recursion
function main() { let a = []; for (let i = 0; i < 200000; i++) a = [a]; return a; }
