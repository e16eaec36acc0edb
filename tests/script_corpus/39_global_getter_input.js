// ends: completed failed
// globals replaced before the call
Object.defineProperty(globalThis, 'input', { get() { throw new Error('no'); }, configurable: true }); function main() { return 1; }
