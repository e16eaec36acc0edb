// ends: failed
// line numbers out of range
function main() { const e = new Error('x'); e.stack = 'at script.js:99999999999999999999:-1'; e.name = '\u0000'.repeat(1000); throw e; }
