/** Entry of a worker thread that converts sound. */
import { parentPort } from 'node:worker_threads';
import { WorkerConversions } from './worker-conversions.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

const port = parentPort;
if (port === null) throw new Error('this is the inside of a worker thread');
const conversions = new WorkerConversions((message: FromWorker, transfer) => {
  port.postMessage(message, transfer);
});
// One after another: frames wait until the codecs of the conversion before them are loaded.
let work = Promise.resolve();
port.on('message', (message: ToWorker) => {
  work = work.then(() => conversions.receive(message)).catch(die);
});

/** Ends the thread; its owner is told the reason. */
function die(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
