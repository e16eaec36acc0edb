// ends: timed_out out_of_memory failed
// unhandled rejections
async function main() { for (;;) { Promise.reject(new Error("x")); await null; } }
