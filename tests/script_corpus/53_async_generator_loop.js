// ends: timed_out
// async iteration
async function main() { async function* g() { for (;;) yield 1; } for await (const x of g()) {} }
