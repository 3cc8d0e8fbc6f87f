/**
 * Addresses of SRT as FFmpeg, OBS, GStreamer and srt-live-transmit write them:
 *
 *     srt://host:9000?streamid=#!::r=live/cam,m=request&latency=200&passphrase=0123456789&pbkeylen=32
 *     srt://:9001?mode=listener      srt://host:9001?mode=rendezvous&localport=9001
 *     srt://host:9000/live/cam       the path stands for a stream id
 *
 * Latencies are milliseconds, as libsrt counts; FFmpeg and OBS count microseconds, so a number above 20000 is taken for
 * those: nobody waits for 20 seconds. Options of other programs may stand there too and mean nothing here.
 */
import { isIP } from 'node:net';

type SrtMode = 'caller' | 'listener' | 'rendezvous';

export interface SrtAddress {
  /** Without brackets; '' = every address of this machine, for a listener. */
  readonly host: string;
  readonly port: number;
  readonly mode: SrtMode;
  /** Port of ours in a rendezvous, or from which a caller calls; 0 = any. */
  readonly localPort: number;
  /** '' = none, or what the path says. */
  readonly streamId: string;
  /** Path without slashes at its ends: `live/cam`, or ''. */
  readonly path: string;
  /** Milliseconds; -1 = not given. */
  readonly latencyMs: number;
  readonly peerLatencyMs: number;
  readonly passphrase: string;
  /** Bytes of the key; 0 = not given. */
  readonly keyBytes: 0 | 16 | 24 | 32;
  /** AES-GCM instead of AES-CTR, where we are the one who chooses. */
  readonly gcm: boolean;
  /** Bytes per second; -1 = not given. */
  readonly maxBandwidth: number;
}

const FORM =
  /^srt:\/\/(?:[^@/?#]*@)?(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s/:?@[\]]*)):(\d{1,5})(?:\/([^\s?]*))?(?:\?(.*))?$/i;
const MAX_LENGTH = 2048;
const MAX_STREAM_ID_BYTES = 512;
const MAX_LATENCY = 20_000;
const PASSPHRASE = /^.{10,79}$/;
const KEY_BYTES = [16, 24, 32] as const;
/** Of libsrt: 0 takes what there is, 1 AES-CTR, 2 AES-GCM. */
const CRYPTO_MODE = /^[012]$/;
const GCM_MODE = '2';

/** Null when the text has none of the forms, or an option has an impossible value. */
export function parseSrtAddress(text: string): SrtAddress | null {
  const match = text.length > MAX_LENGTH ? null : FORM.exec(text);
  if (match === null || (match[1] !== undefined && isIP(match[1]) !== 6)) return null;
  const options = readOptions(match[5] ?? '');
  const host = match[1] ?? match[2] ?? '';
  const port = Number(match[3]);
  const mode = options.get('mode') ?? (host === '' ? 'listener' : 'caller');
  if (mode !== 'caller' && mode !== 'listener' && mode !== 'rendezvous') return null;
  if (port > 65_535 || (mode !== 'listener' && (host === '' || port === 0))) return null;
  const passphrase = options.get('passphrase') ?? '';
  if (passphrase !== '' && !PASSPHRASE.test(passphrase)) return null;
  const keyLength = whole(options.get('pbkeylen') ?? '0');
  const keyBytes = keyLength === 0 ? 0 : KEY_BYTES.find((bytes) => bytes === keyLength);
  const cryptoMode = options.get('cryptomode') ?? '0';
  if (!CRYPTO_MODE.test(cryptoMode)) return null;
  const streamId = options.get('streamid') ?? options.get('srt_streamid') ?? '';
  if (keyBytes === undefined || Buffer.byteLength(streamId) > MAX_STREAM_ID_BYTES) return null;
  const latency = options.get('latency');
  const localPort = whole(options.get('localport') ?? '0');
  if (localPort > 65_535) return null;
  return {
    host,
    port,
    mode,
    localPort: mode === 'rendezvous' && localPort <= 0 ? port : Math.max(localPort, 0),
    streamId,
    path: (match[4] ?? '').replace(/^\/+|\/+$/g, ''),
    latencyMs: milliseconds(options.get('rcvlatency') ?? latency),
    peerLatencyMs: milliseconds(options.get('peerlatency') ?? latency),
    passphrase,
    keyBytes,
    gcm: cryptoMode === GCM_MODE,
    maxBandwidth: whole(options.get('maxbw') ?? '-1'),
  };
}

/** A stream id holds `=` and often `#`, and a plus sign in it is none of a form. */
function readOptions(query: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    if (equals > 0) options.set(pair.slice(0, equals).toLowerCase(), decoded(pair.slice(equals + 1)));
  }
  return options;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function whole(text: string): number {
  return /^\d{1,12}$/.test(text) ? Number(text) : -1;
}

function milliseconds(text: string | undefined): number {
  const value = whole(text ?? '');
  return value > MAX_LATENCY ? Math.round(value / 1000) : value;
}

/** The stream id of a caller: that of the address, else what its path says. */
export function streamIdOf(address: SrtAddress, mode: 'publish' | 'request'): string {
  if (address.streamId !== '' || address.path === '') return address.streamId;
  return `#!::r=${decoded(address.path)},m=${mode}`;
}
