// Starts almagestd on a free port with an empty data folder, and stops it again.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const START_LIMIT_MS = 30_000;

export async function startServer(executable, extraArguments = []) {
  const folder = mkdtempSync(path.join(tmpdir(), 'almagest-conformance-'));
  const child = spawn(
    executable,
    ['--data', folder, '--port', '0', '--log-level', 'warning', '--no-trainer', ...extraArguments],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  const url = await new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`almagestd said nothing of its port within ${START_LIMIT_MS} ms: ${text}`));
    }, START_LIMIT_MS);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`almagestd ended with ${code} at its start`)));
    child.stdout.on('data', (bytes) => {
      text += bytes;
      const found = /at (http:\/\/\S+?:\d+)/.exec(text);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[1]);
    });
  });
  return {
    url,
    folder,
    // Resolves to the exit code.
    async stop() {
      child.kill('SIGTERM');
      const code = await exited;
      rmSync(folder, { recursive: true, force: true });
      return code;
    },
  };
}
