// Runs a script with workerd, for `adyton bench compute`:
//   runner.mjs WORKERD SCRIPT RUNS INPUT
// Prints the microseconds of each run, one a line: from sending a request over a Unix socket to its
// answer, because a worker's own clock stands still while it computes. The isolate is made once and
// is the same for all runs. That is less isolation than a fresh engine, and its authors ask for a
// virtual machine around it.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

const [workerd, script, runs, input] = process.argv.slice(2);
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'adyton-workerd-'));
const socketPath = path.join(directory, 'socket');
const text = fs.readFileSync(input, 'utf8');

fs.writeFileSync(path.join(directory, 'worker.js'), `${fs.readFileSync(script, 'utf8')}
export default {
  async fetch(request) {
    return new Response(JSON.stringify(main(JSON.parse(await request.text()))));
  },
};
`);
fs.writeFileSync(path.join(directory, 'config.capnp'), `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "unix:${socketPath}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-01",
);
`);

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const ask = () => new Promise((resolve, reject) => {
  const request = http.request({ socketPath, agent, method: 'POST', path: '/' }, (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (piece) => { body += piece; });
    response.on('end', () => {
      if (response.statusCode === 200) resolve(body);
      else reject(new Error(`HTTP ${response.statusCode}: ${body}`));
    });
  });
  request.on('error', reject);
  request.end(text);
});

const server = spawn(workerd, ['serve', path.join(directory, 'config.capnp')], {
  stdio: ['ignore', 'ignore', 'pipe'],
});
let complaint = '';
server.stderr.on('data', (piece) => { complaint += piece; });
let status = 1;
try {
  const patience = Date.now() + 20_000;
  while (!fs.existsSync(socketPath) && server.exitCode === null && Date.now() < patience) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (let i = 0; i < Number(runs); i++) {
    const start = performance.now();
    await ask();
    console.log(Math.round((performance.now() - start) * 1000));
  }
  status = 0;
} catch (error) {
  console.log(`${error.message} ${complaint}`.trim());
} finally {
  agent.destroy();
  server.kill('SIGKILL');
  fs.rmSync(directory, { recursive: true, force: true });
}
process.exit(status);
