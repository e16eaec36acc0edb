// ends: timed_out
// lives on at its limit
function main() { const kept = []; for (;;) { try { kept.push('x'.repeat(1e6) + kept.length); } catch (e) {} } }
