/** RTMP and RTMPS: what sessions need of the server. */
import { makeStreamKey } from '../../media/stream-key.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { SessionServer } from '../../runtime/session-server.ts';
import { answerAsker, refuseLoop } from '../../runtime/stream-loop.ts';
import { RejectedError } from '../../util/errors.ts';
import type { RtmpServices } from './rtmp-services.ts';
import { RtmpSession } from './rtmp-session.ts';
import { RtmpVodFiles } from './rtmp-vod-files.ts';

/** RTMP players expect to wait for a stream that is about to begin, whatever the policy says of other viewers. */
const WAIT_FOR_STREAM_MS = 10_000;
const TICK_MS = 1000;
const MAX_AMF_VALUES = 10_000;

export class RtmpServer {
  private readonly context: ModuleContext;
  readonly connections: SessionServer<RtmpSession>;
  private readonly services: RtmpServices;
  private readonly files: RtmpVodFiles;

  constructor(context: ModuleContext) {
    this.context = context;
    this.files = new RtmpVodFiles(context);
    this.services = this.makeServices();
    this.connections = new SessionServer(context, {
      name: 'rtmp',
      tickMs: TICK_MS,
      open: (output, { remote, secure }, nowUs) =>
        new RtmpSession(this.services, output, remote, secure, nowUs),
    });
  }

  private makeServices(): RtmpServices {
    const { context } = this;
    const server = () => context.configuration().server;
    return {
      hub: context.hub,
      log: context.log,
      files: this.files,
      limits: () => ({
        maxMessageBytes: server().limits.message,
        maxChunkStreams: server().limits.chunkStreams,
        handshakeMs: server().limits.handshake,
      }),
      amfLimits: () => ({ maxDepth: server().limits.amfDepth, maxValues: MAX_AMF_VALUES }),
      chunkSize: () => server().rtmp.chunkSize,
      windowAckBytes: () => server().rtmp.windowAck,
      refusalOf: (request) => this.refusalOf(request.host, request.app),
      checkLoop: (via) => refuseLoop(via, context.serverId),
      answerAsker: (key, asked) => answerAsker(context, key, asked),
      admit: (request) => context.admission.check(request),
      publishTimes: (key, host) => {
        const { publish } = context.configuration().resolver.resolve(host, key.app, key.name);
        return { firstPacketMs: publish.firstPacketMs, idleMs: publish.idleMs };
      },
      playWaitMs: (key, host) =>
        context.configuration().resolver.resolve(host, key.app, key.name).play.waitMs || WAIT_FOR_STREAM_MS,
      nowUs: () => context.clock.nowUs(),
      onRole: (session) => {
        if (session.role === 'publisher') this.connections.pace(session, true);
      },
      onClosed: (session) => this.connections.onClosed(session),
      onFault: context.onFault,
    };
  }

  /** Refused at connect, so that encoders show the reason instead of a silent stream. */
  private refusalOf(host: string, app: string): string {
    try {
      if (this.files.isVod(makeStreamKey(app, 'x').app)) return '';
      this.context.admission.checkApp(host, makeStreamKey(app, 'x').app);
      return '';
    } catch (error) {
      if (error instanceof RejectedError) return error.message;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.connections.close();
    await this.files.close();
  }
}
