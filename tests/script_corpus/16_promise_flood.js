// ends: timed_out out_of_memory failed
// microtasks that breed
function main() { const f = () => { Promise.resolve().then(f); Promise.resolve().then(f); }; f(); return new Promise(() => {}); }
