// ends: completed timed_out
// log entries past the limit
function main() { for (let i = 0; i < 1e5; i++) console.log('x'.repeat(100), i); return 1; }
