// ends: completed
// the global object has nothing
function main() { return Function('return typeof this.process')(); }
