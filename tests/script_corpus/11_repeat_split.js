// ends: any
// memory through natives
function main() { return 'ab'.repeat(8e6).split('').length; }
