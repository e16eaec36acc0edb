// ends: completed failed
// no receiver
function main() { return [Math.random.call(null), Reflect.apply(Math.random, 1n, [])].length; }
