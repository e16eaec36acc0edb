// ends: completed
// the engine does not use what scripts can change
function main() { Object.prototype.toString = Array.prototype.join = String.prototype.split = JSON.stringify = JSON.parse = null; Object.prototype.toJSON = undefined; return { fine: 1 }; }
