// ends: completed failed
// called with new
function main() { try { return new Math.random(); } catch (e) { return 1; } }
