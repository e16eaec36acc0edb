// ends: completed
// lone surrogates
function main() { return '\ud800' + '\udfff\udc00'; }
