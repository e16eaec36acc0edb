// ends: any
// long native search
function main() { const s = 'a'.repeat(4e6); let n = 0; for (let i = 0; i < 1e4; i++) n += (s + i).indexOf('a'.repeat(2e6) + 'b'); return n; }
