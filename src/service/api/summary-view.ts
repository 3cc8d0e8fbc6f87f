/** The process and its machine: /api/v1/server, /versions and /summaries (SRS's field names, `ilde_time` included). */
import { readFileSync } from 'node:fs';
import { cpus, freemem, loadavg, totalmem, uptime } from 'node:os';
import { lanAddresses } from '../../runtime/endpoints.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { RateMeter } from '../../util/rate-meter.ts';

export class SummaryView {
  private readonly context: ModuleContext;
  private readonly startedMs = Date.now() - process.uptime() * 1000;
  private readonly cpu = new RateMeter();

  constructor(context: ModuleContext) {
    this.context = context;
  }

  sample(): void {
    this.cpu.sample(cpuMicroseconds(), this.context.clock.nowUs());
  }

  server(request: HttpRequest) {
    const { server } = this.context.configuration();
    const publish = this.context.endpoints.all().filter((endpoint) => endpoint.direction !== 'play');
    return {
      name: 'Sluice',
      version: this.context.version,
      id: this.context.serverId,
      started: new Date(this.startedMs).toISOString(),
      uptime_s: Math.round(process.uptime()),
      host: request.host,
      addresses: lanAddresses(),
      publish: publish.map((endpoint) => ({
        type: endpoint.type,
        url: `${this.context.endpoints.base(endpoint, request.host)}${endpoint.path ?? `${endpoint.prefix ?? '/'}live`}`,
        port: endpoint.port,
      })),
      apps: ['live', 'rec'],
      demo: server.demo.enable ? server.demo.name : null,
      self_signed: this.context.certificates.selfSigned,
    };
  }

  versions() {
    const [major = 0, minor = 0, revision = 0] = this.context.version.split('.').map(Number);
    return { major, minor, revision, version: this.context.version };
  }

  summaries() {
    const memory = process.memoryUsage();
    const [load1 = 0, load5 = 0, load15 = 0] = loadavg();
    const now = this.context.clock.nowUs();
    this.sample();
    const all = this.context.sessions.all();
    const { sessions, hub } = this.context;
    return {
      ok: true,
      now_ms: Date.now(),
      self: {
        version: this.context.version,
        pid: process.pid,
        ppid: process.ppid,
        argv: process.argv.slice(1).join(' '),
        cwd: process.cwd(),
        mem_kbyte: Math.round(memory.rss / 1024),
        mem_percent: memory.rss / totalmem(),
        cpu_percent: this.cpu.perSecond(cpuMicroseconds(), now) / 1_000_000,
        srs_uptime: Math.round(process.uptime()),
        heap_kbyte: Math.round(memory.heapUsed / 1024),
        external_kbyte: Math.round(memory.external / 1024),
        faults: this.context.log.hub.eventTotals.get('server.fault') ?? 0,
        flushes: hub.pump.flushes,
        writes: hub.pump.writes,
      },
      system: {
        cpu_percent: load1 / Math.max(1, cpus().length),
        mem_ram_kbyte: Math.round(totalmem() / 1024),
        mem_ram_percent: 1 - freemem() / totalmem(),
        cpus: cpus().length,
        cpus_online: cpus().length,
        uptime: Math.round(uptime()),
        ilde_time: 0,
        load_1m: load1,
        load_5m: load5,
        load_15m: load15,
        srs_recv_bytes: all.reduce((sum, session) => sum + session.bytesIn(), sessions.endedBytesIn),
        srs_send_bytes: all.reduce((sum, session) => sum + session.bytesOut(), sessions.endedBytesOut),
        conn_sys: systemConnections(),
        conn_srs: this.context.limits.open,
      },
      streams: hub.streams().length,
      sessions: all.length,
    };
  }
}

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Established TCP connections of the machine; 0 where the system does not tell. */
function systemConnections(): number {
  try {
    const match = /^TCP: inuse (\d+)/m.exec(readFileSync('/proc/net/sockstat', 'latin1'));
    return match === null ? 0 : Number(match[1]);
  } catch {
    return 0;
  }
}
