/** Publishing by HTTP and WebSocket, on the ports of <http> and on one of its own. */
import { HttpListener } from '../../runtime/http-listener.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { HttpPublish } from './http-publish.ts';
import { isPublishPath } from './publish-address.ts';
import { asksToPublish, SocketPublish } from './socket-publish.ts';

export const httpPublishModule: ServerModule = { name: 'http-publish', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const { post } = context.configuration().server;
  if (!post.enable) return { reload: () => [], stop: async () => undefined };
  const bodies = new HttpPublish(context);
  const sockets = new SocketPublish(context);
  const serve = (listener: HttpListener) => {
    listener.route({
      name: 'http-publish',
      givesLeave: true,
      accepts: (method, path) => (method === 'POST' || method === 'PUT') && isPublishPath(path),
      handle: (request) => bodies.handle(request),
    });
    listener.upgrade({
      name: 'ws-publish',
      accepts: (path, message) => isPublishPath(path) && asksToPublish(message),
      handle: (request) => sockets.handle(request),
    });
  };
  serve(context.http);
  const own = post.port < 0 ? null : makeListener(context);
  if (own !== null) {
    serve(own);
    await own.open();
    context.endpoints.add({
      type: 'http-post',
      direction: 'publish',
      scheme: 'http',
      port: own.port,
      defaultPort: 80,
      suffix: '.flv',
      publicAddress: '',
    });
  }
  return {
    reload: () => [],
    stop: async () => {
      bodies.close();
      sockets.close();
      await own?.close();
    },
    destroy: () => own?.destroyConnections(),
  };
}

function makeListener(context: ModuleContext): HttpListener {
  const { post, http, limits } = context.configuration().server;
  return new HttpListener({
    addresses: post.ip,
    port: post.port,
    tlsPort: -1,
    certificates: context.certificates,
    limits: context.limits,
    handshakeMs: limits.handshake,
    corsOrigin: http.cors,
    log: context.log,
    onFault: context.onFault,
  });
}
