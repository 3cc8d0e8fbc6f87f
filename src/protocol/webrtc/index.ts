/** WebRTC: publish by WHIP and play by WHEP on the ports of HTTP, media on threads with ports of their own. */
import { whipTarget } from '../../client/webrtc/whip-forward.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { WebrtcServer } from './webrtc-server.ts';

export const webrtcModule: ServerModule = { name: 'webrtc', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const { webrtc, nat } = context.configuration().server;
  context.targets.register('whip', whipTarget(context));
  if (!webrtc.enable || webrtc.port < 0) return { reload: () => [], stop: async () => undefined };
  const server = new WebrtcServer(context);
  await server.start();
  context.rtcCalls.current = server.calls;
  context.log.info('webrtc.listening', { ports: server.ports.join(' '), tcp: webrtc.tcp });
  context.http.route({
    name: 'webrtc',
    answersOptions: true,
    accepts: (method, path, query) => server.accepts(method, path, query),
    handle: (request) => server.handle(request),
  });
  const { port, tlsPort } = context.http;
  const ways = [
    { scheme: 'http', port, defaultPort: 80, publicAddress: nat.http },
    { scheme: 'https', port: tlsPort, defaultPort: 443, publicAddress: nat.https },
  ];
  for (const way of ways.filter((one) => one.port >= 0)) {
    context.endpoints.add({ ...way, type: `${way.scheme}-whip`, direction: 'publish', suffix: '/whip' });
    context.endpoints.add({ ...way, type: `${way.scheme}-whep`, direction: 'play', suffix: '/whep' });
  }
  return {
    reload: () => [],
    stop: () => {
      context.rtcCalls.current = null;
      return server.stop();
    },
    destroy: () => server.destroy(),
  };
}
