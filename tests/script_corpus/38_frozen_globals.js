// ends: completed
// frozen intrinsics
Object.freeze(globalThis.JSON); Object.freeze(Object.prototype); function main() { return { fine: 1 }; }
