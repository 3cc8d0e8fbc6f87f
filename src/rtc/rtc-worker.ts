/** Entry of a thread of WebRTC: an RtcHost between the sockets and the main thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { RtcHost } from './rtc-host.ts';
import type { RtcThreadData, ToRtcThread } from './rtc-messages.ts';

const port = parentPort!;
const data = workerData as RtcThreadData;
/** Of the main thread's clock. */
const offsetMs = performance.timeOrigin - data.timeOrigin;
const taken = new Int32Array(data.taken);
const host = new RtcHost(
  data,
  (message, transfer) => port.postMessage(message, transfer === undefined ? [] : [...transfer]),
  () => Math.round((performance.now() + offsetMs) * 1000),
);
port.on('message', (message: ToRtcThread) => {
  host.receive(message);
  // For the bound of what is on its way.
  Atomics.add(taken, 0, 1);
  // Sockets are closed by then; the thread ends with its last handle.
  if (message.type === 'stop') port.close();
});
void host.start();
