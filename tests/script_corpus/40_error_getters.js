// ends: timed_out
// endless getter of the error
function main() { const e = new Error('x'); Object.defineProperty(e, 'message', { get() { for (;;) {} } }); throw e; }
