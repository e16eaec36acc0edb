// ends: completed timed_out out_of_memory failed
// log entries past their size
function main() { for (let i = 0; i < 200; i++) console.log('\u00e9'.repeat(1e5)); return 1; }
