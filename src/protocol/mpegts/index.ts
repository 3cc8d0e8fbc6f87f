/** MPEG-TS over UDP, RTP and TCP: publishers, and forwards. */
import type { TsAddress } from '../../client/mpegts/ts-address.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { MpegtsForward } from './mpegts-forward.ts';
import { MpegtsServer } from './mpegts-server.ts';

export const mpegtsModule: ServerModule = { name: 'mpegts', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const { mpegts } = context.configuration().server;
  const server = new MpegtsServer(context);
  try {
    for (const host of mpegts.ip.length === 0 ? [''] : mpegts.ip) {
      if (mpegts.port >= 0) await server.listen(plain('udp', host, mpegts.port, mpegts.stream));
      if (mpegts.tcpPort >= 0) await server.listen(plain('tcp', host, mpegts.tcpPort, mpegts.stream));
    }
    for (const address of mpegts.listen) await server.listen(address);
  } catch (error) {
    await server.close();
    throw error;
  }
  context.targets.register('udp', (request) => new MpegtsForward(context, request));
  context.targets.register('rtp', (request) => new MpegtsForward(context, request));
  return { reload: () => [], stop: () => server.close() };
}

function plain(scheme: 'udp' | 'tcp', host: string, port: number, stream: string): TsAddress {
  return { scheme, host, port, stream, isMulticast: false, networkInterface: '', source: '', ttl: 0 };
}
