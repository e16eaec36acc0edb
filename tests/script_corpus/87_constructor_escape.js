// ends: completed
// stays inside
function main() { return [].filter.constructor('return this')() === globalThis; }
