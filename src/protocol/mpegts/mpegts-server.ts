/** The ports of `<mpegts>`: UDP sockets and TCP listeners, each with the stream that comes there. */
import type { TsAddress } from '../../client/mpegts/ts-address.ts';
import { DatagramReceiver } from '../../client/mpegts/ts-socket.ts';
import { plainAddress } from '../../runtime/http-listener.ts';
import { explainListenError } from '../../runtime/listen-error.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { TcpListener } from '../../runtime/tcp-listener.ts';
import { ConnectionPublisher } from './connection-publisher.ts';
import { DatagramPublisher } from './datagram-publisher.ts';

const NAME = 'mpegts';

export class MpegtsServer {
  private readonly context: ModuleContext;
  private readonly receivers: DatagramReceiver[] = [];
  private readonly listeners: TcpListener[] = [];
  private readonly publishers: (DatagramPublisher | ConnectionPublisher)[] = [];

  constructor(context: ModuleContext) {
    this.context = context;
  }

  /** Opens one address; rejects with a ConfigError. */
  async listen(address: TsAddress): Promise<void> {
    const port = address.scheme === 'tcp' ? await this.listenTcp(address) : await this.listenUdp(address);
    const { scheme, stream } = address;
    this.context.endpoints.add({
      type: `${scheme}-ts`,
      direction: 'publish',
      scheme,
      port,
      defaultPort: 0,
      suffix: '',
      // Others send to a group, not to this machine.
      publicAddress: address.isMulticast ? urlOf(address, port).slice(`${scheme}://`.length) : '',
      path: '',
    });
    this.context.log.info('mpegts.listening', { url: urlOf(address, port), stream });
  }

  private async listenTcp(address: TsAddress): Promise<number> {
    const { limits, log } = this.context;
    const publisher = new ConnectionPublisher(this.context, address.stream, urlOf(address, address.port));
    this.publishers.push(publisher);
    const listener = new TcpListener({
      name: NAME,
      addresses: address.host === '' ? [] : [address.host],
      port: address.port,
      certificates: null,
      limits,
      handshakeMs: this.context.configuration().server.limits.handshake,
      log,
      onSocket: (socket) => publisher.accept(socket),
    });
    this.listeners.push(listener);
    return await listener.open();
  }

  private listenUdp(address: TsAddress): Promise<number> {
    const publisher = new DatagramPublisher(this.context, address.stream, urlOf(address, address.port));
    this.publishers.push(publisher);
    return new Promise((resolve, reject) => {
      let isOpen = false;
      const receiver = new DatagramReceiver(address, {
        onListening: (port) => {
          isOpen = true;
          resolve(port);
        },
        onDatagram: (bytes, from) => publisher.receive(bytes, plainAddress(from.address), from.port),
        onError: (error) => {
          if (!isOpen) reject(explainListenError(error, NAME, address.host, address.port));
          else
            this.context.log.error('mpegts.socket', {
              url: urlOf(address, address.port),
              cause: error.message,
            });
        },
      });
      this.receivers.push(receiver);
    });
  }

  async close(): Promise<void> {
    for (const receiver of this.receivers) receiver.close();
    for (const listener of this.listeners) await listener.close();
    for (const publisher of this.publishers) publisher.close('The server is shutting down.');
  }
}

function urlOf({ scheme, host }: TsAddress, port: number): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
