// ends: timed_out
// getter in an argument
function main() { console.log({ get x() { for (;;) {} } }); }
