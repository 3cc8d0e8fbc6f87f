/** Whether the loopback interface of this machine carries multicast: containers and some systems switch that off. */
import { createSocket } from 'node:dgram';

const GROUP = '239.255.77.77';
const WAIT_MS = 1000;

/** The reason for skipping, or false. */
export async function multicastMissing(): Promise<string | false> {
  const [receiver, sender] = [createSocket('udp4'), createSocket('udp4')];
  try {
    await new Promise<void>((resolve) => receiver.bind(0, resolve));
    await new Promise<void>((resolve) => sender.bind(0, '127.0.0.1', resolve));
    const { port } = receiver.address();
    const came = new Promise<boolean>((resolve) => {
      receiver.once('message', () => resolve(true));
      setTimeout(resolve, WAIT_MS, false).unref();
    });
    receiver.addMembership(GROUP, '127.0.0.1');
    sender.setMulticastInterface('127.0.0.1');
    sender.send('x', port, GROUP, () => undefined);
    if (await came) return false;
  } catch {
    // As without an answer.
  } finally {
    receiver.close();
    sender.close();
  }
  return 'this machine carries no multicast on its loopback interface';
}
