// ends: any
// exponential JSON
function main() { let s = '0'; for (let i = 0; i < 24; i++) s = '[' + s + ',' + s + ']'; return JSON.parse(s).length; }
