// ends: failed
// template nesting
function main() { let s = '1'; for (let i = 0; i < 20000; i++) s = '`${' + s; return eval(s); }
