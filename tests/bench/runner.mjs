// Runs a script with the engine that runs this file (Deno or Node.js), for `adyton bench compute`:
//   runner.mjs SCRIPT RUNS INPUT
// Prints the microseconds of each run, one a line: a new function scope for each, the same isolate
// for all. That is less isolation than a fresh engine, and no sandbox.
import fs from 'node:fs';
import process from 'node:process';

const [script, runs, input] = process.argv.slice(2);
const source = fs.readFileSync(script, 'utf8');
const text = fs.readFileSync(input, 'utf8');
for (let i = 0; i < Number(runs); i++) {
  const start = performance.now();
  const main = new Function(`${source}\n;return main;`)();
  JSON.stringify(main(JSON.parse(text)));
  console.log(Math.round((performance.now() - start) * 1000));
}
