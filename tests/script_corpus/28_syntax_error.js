// ends: failed
// no script at all
function main( {
