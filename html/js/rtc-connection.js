// One connection by WebRTC from the offer to its end, for publishing and playing alike.
import { exchange, leave, SignalError } from './rtc-signal.js';
import { PAGE_TIMERS } from './timers.js';

/** From the answer until media may flow. A firewall that drops packets says nothing. */
const CONNECT_MS = 8000;
/** A network that hangs for so long comes back by a new connection, not by itself. */
const SILENT_MS = 4000;

const USUAL_PORT = '8000';

/**
 * Connects `peer` (with its transceivers) to `url`. Of the events one of `failed(details)` and `lost()` comes at most, and
 * nothing after `close()`: `answered(notes)`, may be absent; `connected()`; `failed({ status, text })`, the server
 * refused; `failed({ reason, values })`, a key of the dictionary: no connection, although the server answered;
 * `failed({})`, the server could not be reached; `lost()`, it was connected.
 */
export function connectPeer(peer, url, events, timers = PAGE_TIMERS) {
  const abort = new AbortController();
  let session = '';
  let isConnected = false;
  let isOver = false;
  let timer = null;

  const wait = (ms, run) => {
    timers.clear(timer);
    timer = timers.set(run, ms);
  };
  const end = () => {
    if (isOver) return false;
    isOver = true;
    timers.clear(timer);
    abort.abort();
    peer.close();
    leave(session);
    return true;
  };
  const fail = (details) => end() && events.failed(details);
  const lose = () => {
    if (!isConnected) fail({ reason: 'webrtc.network', values: { port: portOf(peer.remoteDescription) } });
    else if (end()) events.lost();
  };
  const onState = () => {
    if (isOver) return;
    const state = peer.connectionState;
    if (state === 'connected') {
      timers.clear(timer);
      if (!isConnected) {
        isConnected = true;
        events.connected();
      }
    } else if (state === 'failed' || state === 'closed') lose();
    else if (state === 'disconnected' && isConnected) wait(SILENT_MS, lose);
  };
  peer.addEventListener('connectionstatechange', onState);

  exchange(peer, url, abort.signal).then(
    (answer) => {
      ({ session } = answer);
      if (isOver) {
        leave(session);
        return;
      }
      events.answered?.(answer.notes);
      if (!isConnected) wait(CONNECT_MS, lose);
      // The server's goodbye is told by the transport, not by the connection.
      const [first] = peer.getTransceivers();
      const transport = first?.sender.transport ?? first?.receiver.transport ?? null;
      transport?.addEventListener('statechange', () => {
        if (transport.state === 'closed' || transport.state === 'failed') lose();
      });
    },
    (error) => fail(error instanceof SignalError ? { status: error.status, text: error.text } : {}),
  );
  return { close: () => void end() };
}

/** Where the server said that it takes media. */
function portOf(description) {
  return /^a=candidate:\S+ 1 udp \d+ \S+ (\d+)/im.exec(description?.sdp ?? '')?.[1] ?? USUAL_PORT;
}
