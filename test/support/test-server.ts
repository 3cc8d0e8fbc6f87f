/**
 * The whole server in this process on ports that the system chooses, loopback only. `close` checks that nothing is
 * left: no session, no stream, no connection, no fault.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Application } from '../../src/app/application.ts';
import { readAsset } from '../../src/app/embedded-assets.ts';
import { MODULES } from '../../src/app/modules.ts';
import { loadConfiguration } from '../../src/config/configuration.ts';
import { LogHub, type LogLine } from '../../src/util/log.ts';

const ANY_PORTS = '<ip>127.0.0.1</ip><port>0</port><sport>0</sport>';

export interface TestServerOptions {
  /** Elements inside <config>, beside the ports. */
  readonly config?: string;
  /** Elements inside <http>, beside the ports. */
  readonly http?: string;
  /** Elements inside <rtsp>, beside the ports. */
  readonly rtsp?: string;
  /** Elements inside <srt>, beside the port. */
  readonly srt?: string;
  /** Elements inside <webrtc>, beside the port; without it WebRTC is off: its threads take a while to start. */
  readonly webrtc?: string;
  /** Instead of the ports that the system chooses. */
  readonly rtmpPorts?: string;
  readonly httpPorts?: string;
  /** Elements inside <policy>. */
  readonly policy?: string;
}

export class TestServer {
  readonly application: Application;
  readonly lines: LogLine[];
  readonly faults: unknown[];
  /** Folder of the configuration and of the certificate. */
  readonly folder: string;

  private constructor(application: Application, lines: LogLine[], faults: unknown[], folder: string) {
    this.application = application;
    this.lines = lines;
    this.faults = faults;
    this.folder = folder;
  }

  static async start(options: TestServerOptions = {}): Promise<TestServer> {
    const lines: LogLine[] = [];
    const faults: unknown[] = [];
    const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
    const logHub = new LogHub('debug', (line) => lines.push(line));
    const application = new Application({
      configuration: TestServer.configuration(options),
      configFolder: folder,
      modules: MODULES,
      logHub,
      readAsset,
      // What the server makes beside itself (vod/, rec/) belongs to the test; the pages are those of the repository.
      pathBeside: (name) => (name === 'html' ? resolve(name) : resolve(folder, name)),
      onFault: (error) => faults.push(error),
    });
    await application.start();
    return new TestServer(application, lines, faults, folder);
  }

  static configuration(options: TestServerOptions) {
    return loadConfiguration({
      configText: `<config>
        <rtmp>${options.rtmpPorts ?? ANY_PORTS}</rtmp>
        <http>${options.httpPorts ?? ANY_PORTS}${options.http ?? ''}</http>
        <rtsp>${ANY_PORTS}${options.rtsp ?? ''}</rtsp>
        <srt><ip>127.0.0.1</ip><port>0</port>${options.srt ?? ''}</srt>
        <webrtc>${options.webrtc === undefined ? '<enable>off</enable>' : `<ip>127.0.0.1</ip><port>0</port><threads>1</threads>${options.webrtc}`}</webrtc>
        ${options.config ?? ''}</config>`,
      configName: 'config.xml',
      policyText: `<policy>${options.policy ?? ''}</policy>`,
      policyName: 'policy.xml',
    });
  }

  private port(type: string): number {
    const endpoint = this.application.context.endpoints.all().find((one) => one.type === type);
    assert.ok(endpoint, `no endpoint ${type}`);
    return endpoint.port;
  }

  get rtmpPort(): number {
    return this.port('rtmp');
  }

  get rtmpsPort(): number {
    return this.port('rtmps');
  }

  get rtspPort(): number {
    return this.port('rtsp');
  }

  get rtspsPort(): number {
    return this.port('rtsps');
  }

  get srtPort(): number {
    return this.port('srt');
  }

  get httpPort(): number {
    return this.application.context.http.port;
  }

  get httpsPort(): number {
    return this.application.context.http.tlsPort;
  }

  rtmp(path: string): string {
    return `rtmp://127.0.0.1:${this.rtmpPort}${path}`;
  }

  http(path: string): string {
    return `http://127.0.0.1:${this.httpPort}${path}`;
  }

  /** Lines of an event. */
  logged(event: string): LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }

  /** Resolves when `test` holds; rejects with `what` after the time is over. */
  async until(what: string, test: () => boolean, timeoutMs = 10_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!test()) {
      if (Date.now() > deadline) assert.fail(`${what} did not happen within ${timeoutMs} ms`);
      await new Promise((done) => setTimeout(done, 10));
    }
  }

  /** Ends the server and asserts that nothing is left of anybody. */
  async close(): Promise<void> {
    await this.application.stop('the test is over');
    const { hub, sessions, limits } = this.application.context;
    await this.until('the end of all connections', () => limits.open === 0, 3000);
    rmSync(this.folder, { recursive: true, force: true });
    assert.deepEqual(this.faults, [], 'faults of ours');
    assert.equal(sessions.size, 0, 'sessions left');
    assert.equal(hub.streams().length, 0, 'streams left');
  }
}
