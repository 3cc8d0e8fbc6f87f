/** RTSP and RTSPS: what sessions need of the server. */
import type { StreamKey } from '../../media/stream-key.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { SessionServer } from '../../runtime/session-server.ts';
import { answerAsker, refuseLoop } from '../../runtime/stream-loop.ts';
import { MulticastSenders } from './rtsp-multicast.ts';
import { RTSP_FORMAT } from './rtsp-play.ts';
import type { RtspServices, RtspStreamPolicy } from './rtsp-services.ts';
import { RtspSession } from './rtsp-session.ts';
import { TunnelTable } from './rtsp-tunnel.ts';
import { UdpPorts } from './rtsp-udp.ts';

/** A packet that is missing is given up some hundred milliseconds after it was due. */
const TICK_MS = 250;

export class RtspServer {
  private readonly context: ModuleContext;
  readonly connections: SessionServer<RtspSession>;
  private readonly services: RtspServices;
  private readonly udp: UdpPorts;

  constructor(context: ModuleContext) {
    this.context = context;
    this.udp = new UdpPorts(
      () => context.configuration().server.rtp,
      (cause) => context.log.counted('rtsp.udp', { cause }),
    );
    this.services = this.makeServices();
    this.connections = new SessionServer(context, {
      name: 'rtsp',
      tickMs: TICK_MS,
      open: (output, peer, nowUs) => new RtspSession(this.services, output, peer, nowUs),
      endFields: (session) => ({ lost: Number(session.details()['packets_lost']) || undefined }),
    });
  }

  private makeServices(): RtspServices {
    const { context } = this;
    const server = () => context.configuration().server;
    return {
      version: context.version,
      hub: context.hub,
      log: context.log,
      datagrams: () => (server().rtsp.udp ? this.udp : null),
      srtp: () => server().rtsp.srtp,
      multicast: new MulticastSenders(context.hub, RTSP_FORMAT),
      tunnels: new TunnelTable(),
      limits: () => ({ handshakeMs: server().limits.handshake, sessionTimeoutMs: server().rtsp.timeout }),
      publicRtpAddress: () => server().nat.rtp,
      policy: (key, host, secure) => this.policyOf(key, host, secure),
      checkLoop: (via) => refuseLoop(via, context.serverId),
      answerAsker: (key, asked) => answerAsker(context, key, asked),
      admit: (request) => context.admission.check(request),
      nowUs: () => context.clock.nowUs(),
      wallUs: () => context.clock.wallUs(),
      after: (delayMs, run) => context.tick.after(delayMs, run),
      onRole: (session) => this.connections.pace(session, session.role === 'publisher'),
      onClosed: (session) => this.connections.onClosed(session),
      onFault: context.onFault,
    };
  }

  private policyOf(key: StreamKey, host: string, secure: boolean): RtspStreamPolicy {
    const { publish, play, login, multicast } = this.context
      .configuration()
      .resolver.resolve(host, key.app, key.name);
    const basic = login.basic === 'on' || (login.basic === 'tls' && secure);
    return {
      publishTimes: { firstPacketMs: publish.firstPacketMs, idleMs: publish.idleMs },
      waitMs: play.waitMs,
      publishLogin: { user: login.publishUser, password: login.publishPassword, basic },
      playLogin: { user: login.playUser, password: login.playPassword, basic },
      multicast,
    };
  }

  async close(): Promise<void> {
    await this.connections.close();
    this.udp.close();
  }
}
