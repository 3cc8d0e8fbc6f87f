import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { LogWriter } from '../../src/runtime/log-output.ts';
import type { LogLine } from '../../src/util/log.ts';

const line = (event: string): LogLine => ({
  wallMs: Date.now(),
  level: 'info',
  session: 's1',
  event,
  fields: { n: 1 },
});

function folder(): string {
  return mkdtempSync(join(tmpdir(), 'sluice-log-'));
}

const OPTIONS = { console: false, maxBytes: 10_000_000, keepFiles: 5, json: false };

test('log file: one file a day, named like the day, holds every line', async () => {
  const place = folder();
  const writer = new LogWriter({ ...OPTIONS, folder: place });
  for (let i = 0; i < 1000; i++) writer.output(line(`event-${i}`));
  await writer.close();
  const names = readdirSync(place);
  assert.equal(names.length, 1);
  assert.match(names[0]!, /^\d{8}\.log$/);
  const lines = readFileSync(join(place, names[0]!), 'utf8').trimEnd().split('\n');
  assert.equal(lines.length, 1000);
  assert.match(lines[999]!, /INFO {2}\[s1\] event-999 n=1$/);
  rmSync(place, { recursive: true });
});

test('log file: JSON by a switch', async () => {
  const place = folder();
  const writer = new LogWriter({ ...OPTIONS, folder: place, json: true });
  writer.output(line('x'));
  await writer.close();
  const [name] = readdirSync(place);
  assert.equal(JSON.parse(readFileSync(join(place, name!), 'utf8')).event, 'x');
  rmSync(place, { recursive: true });
});

test('log file: rotates by size and keeps no more files than wanted', async () => {
  const place = folder();
  const writer = new LogWriter({ ...OPTIONS, folder: place, maxBytes: 4096, keepFiles: 3 });
  for (let i = 0; i < 60; i++) {
    for (let j = 0; j < 20; j++) writer.output(line(`event-${i}-${j}`));
    await new Promise((done) => setTimeout(done, 5));
  }
  await writer.close();
  const names = readdirSync(place).filter((name) => /^\d{8}(\.\d+)?\.log$/.test(name));
  assert.ok(names.length >= 3 && names.length <= 4, names.join(' '));
  rmSync(place, { recursive: true });
});

test('log file: a place that cannot be written is said once and harms nothing', async () => {
  const place = folder();
  const blocked = join(place, 'file');
  writeFileSync(blocked, '');
  const said: string[] = [];
  const { write } = process.stderr;
  process.stderr.write = ((text: string) => said.push(text) > 0) as typeof process.stderr.write;
  try {
    const writer = new LogWriter({ ...OPTIONS, folder: join(blocked, 'log') });
    for (let i = 0; i < 10; i++) writer.output(line('x'));
    await writer.close();
  } finally {
    process.stderr.write = write;
  }
  assert.equal(said.length, 1);
  assert.match(said[0]!, /cannot be written.*only the console/);
  rmSync(place, { recursive: true });
});
