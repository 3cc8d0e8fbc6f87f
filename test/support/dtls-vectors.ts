/** Recorded DTLS conversations of test/vectors/dtls. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

interface RecordedDatagram {
  /** `>` in the file. */
  readonly isUp: boolean;
  readonly bytes: Buffer;
}

export interface RecordedDtls {
  /** Empty when not known. */
  readonly master: Buffer;
  readonly exported: string;
  readonly datagrams: readonly RecordedDatagram[];
}

export function recordedDtls(name: string): RecordedDtls {
  const path = fileURLToPath(new URL(`../vectors/dtls/${name}.txt`, import.meta.url));
  let master = '';
  let exported = '';
  const datagrams: RecordedDatagram[] = [];
  for (const line of readFileSync(path, 'utf8').trim().split('\n')) {
    const [first = '', second = ''] = line.split(' ');
    if (first === 'master') master = second;
    else if (first === 'exported') exported = second;
    else datagrams.push({ isUp: first === '>', bytes: Buffer.from(second, 'hex') });
  }
  return { master: Buffer.from(master, 'hex'), exported, datagrams };
}

export const OPENSSL_RECORDINGS = [
  'openssl-aes128gcm-x25519',
  'openssl-aes256gcm-p384',
  'openssl-chacha20-p256',
] as const;

export const PROGRAM_RECORDINGS = [
  'whip-chromium-h264-srs',
  'whep-aiortc-h264-srs',
  'whip-ffmpeg81-h264-srs',
] as const;
