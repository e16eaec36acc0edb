// ends: timed_out
// exceptions as a loop
function main() { for (;;) { try { throw 1; } catch (e) { continue; } finally { continue; } } }
