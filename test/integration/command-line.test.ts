/** The program as people start it: commands, exit codes, signals, detaching. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { openFlv } from '../support/flv-body.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/http-client.ts';
import { type Running, run, start } from '../support/programs.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { until } from '../support/until.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const WINDOWS = process.platform === 'win32' ? 'no such signals on Windows' : false;

let folder = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
});

after(() => rmSync(folder, { recursive: true, force: true }));

function sluice(...args: readonly string[]) {
  return run(process.execPath, [MAIN, ...args]);
}

interface Ports {
  readonly rtmp: number;
  readonly http: number;
}

/** A configuration folder with ports that are free. */
async function configuration(
  name: string,
  policy = '',
  config = '',
): Promise<{ conf: string; ports: Ports }> {
  const conf = join(folder, name, 'conf');
  mkdirSync(conf, { recursive: true });
  const ports = { rtmp: await freePort(), http: await freePort() };
  writeFileSync(
    join(conf, 'config.xml'),
    `<config><rtmp><ip>127.0.0.1</ip><port>${ports.rtmp}</port><ssl>off</ssl></rtmp>
     <http><ip>127.0.0.1</ip><port>${ports.http}</port><ssl>off</ssl></http>
     <rtsp><enable>off</enable></rtsp><srt><enable>off</enable></srt>${config}</config>`,
  );
  writeFileSync(join(conf, 'policy.xml'), `<policy>${policy}</policy>`);
  return { conf, ports };
}

async function launch(
  conf: string,
  ports: Ports,
  ...more: readonly string[]
): Promise<{ running: Running; text: () => string }> {
  const running = start(process.execPath, [MAIN, 'run', '-c', conf, ...more]);
  let text = '';
  running.child.stdout?.on('data', (bytes: Buffer) => {
    text += bytes.toString('utf8');
  });
  running.child.stderr?.on('data', (bytes: Buffer) => {
    text += bytes.toString('utf8');
  });
  await until(
    `the start of ${conf}: ${text}`,
    () => text.includes(String(ports.http)) || running.child.exitCode !== null,
  );
  assert.equal(running.child.exitCode, null, text);
  return { running, text: () => text };
}

describe('command line', { concurrency: 3 }, () => {
  test('version and help', async () => {
    const [version, short, help] = await Promise.all([sluice('version'), sluice('-v'), sluice('help')]);
    assert.equal(version.code, 0);
    assert.match(version.out, /^Sluice \d+\.\d+\.\d+ \(Node \d+/);
    assert.equal(short.out, version.out);
    assert.equal(help.code, 0);
    for (const word of ['run', 'check', '-c', '-d', 'SIGHUP']) assert.ok(help.out.includes(word), word);
  });

  test('what is not known is refused with code 2', async () => {
    for (const [args, text] of [
      [['--prot', '80'], /unknown option --prot.*sluice help/],
      [['start'], /unknown command "start"/],
      [['run', 'twice'], /too many words: "twice"/],
      [['-c'], /-c needs a value/],
    ] as const) {
      const { code, err } = await sluice(...args);
      assert.equal(code, 2, err);
      assert.match(err, text);
    }
  });

  test('check prints what is in effect, and every mistake with its place', async () => {
    const { conf, ports } = await configuration('check');
    const good = await sluice('check', '-c', conf);
    assert.equal(good.code, 0, good.err);
    assert.ok(good.out.includes(String(ports.rtmp)));
    writeFileSync(
      join(conf, 'config.xml'),
      '<config>\n <rtmp>\n  <prot>1935</prot>\n  <chunk-size>7</chunk-size>\n </rtmp>\n</config>',
    );
    const bad = await sluice('check', '-c', conf);
    assert.equal(bad.code, 3);
    assert.match(bad.err, /conf\/config\.xml:3:3: .*prot.*port/);
    assert.match(bad.err, /conf\/config\.xml:4:\d+: .*7/);
    assert.doesNotMatch(bad.err, /\n\s+at /);
    const run = await sluice('run', '-c', conf);
    assert.equal(run.code, 3);
    assert.match(run.err, /config\.xml:3:3/);
  });

  test('a port that is taken: code 3 and one sentence, no stack', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => holder.once('listening', done));
    const { conf, ports } = await configuration('taken');
    const text = readFileSync(join(conf, 'config.xml'), 'utf8');
    const { port } = holder.address() as AddressInfo;
    writeFileSync(join(conf, 'config.xml'), text.replace(String(ports.http), String(port)));
    const { code, err } = await sluice('run', '-c', conf);
    holder.close();
    assert.equal(code, 3, err);
    assert.match(err, new RegExp(`Port 127\\.0\\.0\\.1:${port} \\(http\\) is in use by`));
    assert.doesNotMatch(err, /\n\s+at /);
  });

  test('SIGTERM: players get a proper end, the code is 0', { skip: WINDOWS }, async () => {
    const { conf, ports } = await configuration('term');
    const { running, text } = await launch(conf, ports);
    const publisher = await ClipPublisher.start({ port: ports.rtmp, name: 'cam' });
    const body = await openFlv(`http://127.0.0.1:${ports.http}/live/cam.flv`);
    const socket = await openFlv(`ws://127.0.0.1:${ports.http}/live/cam.flv`);
    const viewer = await RtmpPeer.open({ port: ports.rtmp });
    await viewer.play('cam');
    await until('media', () => [body, socket, viewer].every((one) => one.tags.length > 30));
    running.stop();
    const { code } = await running.done;
    publisher.pause();
    assert.equal(code, 0, text());
    await until('the ends', () => body.closed && socket.closed && viewer.closed && publisher.peer.closed);
    assert.ok(body.ended);
    assert.equal(body.parser.pending, 0, 'half a tag at the end');
    assert.equal(body.parser.fault, '');
    assert.equal(socket.closeCode, 1001);
    assert.match(socket.closeReason, /shutting down/);
    assert.ok(viewer.has('NetStream.Play.UnpublishNotify'));
    assert.match(text(), /server\.stopped/);
    assert.doesNotMatch(text(), /server\.fault/);
  });

  test('SIGINT with nobody connected ends at once', { skip: WINDOWS }, async () => {
    const { conf, ports } = await configuration('int');
    const { running } = await launch(conf, ports);
    const began = Date.now();
    running.child.kill('SIGINT');
    assert.equal((await running.done).code, 0);
    assert.ok(Date.now() - began < 2000);
  });

  test('SIGHUP: a good policy is taken, a broken one is refused and the old one stays', {
    skip: WINDOWS,
  }, async () => {
    const { conf, ports } = await configuration('hup');
    const { running, text } = await launch(conf, ports);
    await assert.rejects(RtmpPeer.open({ port: ports.rtmp, app: 'garden' }), /Rejected/);
    writeFileSync(join(conf, 'policy.xml'), '<policy><application name="garden"/></policy>');
    running.child.kill('SIGHUP');
    await until('the reload', () => text().includes('config.reloaded'));
    (await RtmpPeer.open({ port: ports.rtmp, app: 'garden' })).close();
    writeFileSync(join(conf, 'policy.xml'), '<policy><aplication name="garden"/></policy>');
    running.child.kill('SIGHUP');
    await until('the refusal', () => text().includes('config.reload-refused'));
    assert.match(text(), /policy\.xml:1:9.*application/);
    (await RtmpPeer.open({ port: ports.rtmp, app: 'garden' })).close();
    assert.equal((await ask({ port: ports.http, path: '/api/status' })).status, 200);
    running.stop();
    assert.equal((await running.done).code, 0);
  });

  test('-d runs in the background with a pid file, once', { skip: WINDOWS }, async () => {
    const { conf, ports } = await configuration('detach');
    const pidFile = join(folder, 'detach', 'sluice.pid');
    const first = await sluice('run', '-d', '-c', conf);
    assert.equal(first.code, 0, first.err);
    assert.match(first.out, /runs in the background as process \d+/);
    await until('the pid file', () => existsSync(pidFile) && readFileSync(pidFile, 'utf8').endsWith('\n'));
    const pid = Number(readFileSync(pidFile, 'utf8'));
    try {
      assert.equal((await ask({ port: ports.http, path: '/api/status' })).status, 200);
      const second = await sluice('run', '-d', '-c', conf);
      assert.equal(second.code, 3);
      assert.match(second.err, new RegExp(`already runs in the background as process ${pid}`));
    } finally {
      process.kill(pid, 'SIGTERM');
    }
    await until('the end', () => !existsSync(pidFile));
  });
});
