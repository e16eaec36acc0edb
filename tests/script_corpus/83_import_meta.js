// ends: failed
// not a module
import os from 'os'; function main() { return os; }
