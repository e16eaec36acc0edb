// ends: out_of_memory failed
// string growth
function main() { let s = 'x'; for (;;) s += s; }
