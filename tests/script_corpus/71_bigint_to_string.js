// ends: timed_out completed failed out_of_memory
// quadratic conversion
function main() { return (3n ** 200000n).toString().length; }
