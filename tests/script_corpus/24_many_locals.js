// ends: failed completed out_of_memory timed_out
// more locals than fit
function main() { let s = ''; for (let i = 0; i < 70000; i++) s += 'let v' + i + '=0;'; return eval(s); }
