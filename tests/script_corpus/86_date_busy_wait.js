// ends: timed_out completed
// waiting by the clock
function main() { const end = Date.now() + 3600000; while (Date.now() < end) {} return 1; }
