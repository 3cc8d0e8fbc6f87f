/** Checks as peers send them, for the tests of the lite agent. */
import { randomBytes } from 'node:crypto';
import type { TransportAddress } from '../../../src/ice/transport-address.ts';
import { StunKey } from '../../../src/wire/stun/stun-key.ts';
import {
  parseStun,
  STUN_REQUEST,
  type StunContent,
  StunMessage,
  serializeStun,
} from '../../../src/wire/stun/stun-message.ts';

export const REMOTE_UFRAG = 'peer';
const TIE_BREAKER = Buffer.alloc(8, 5);

export function udp(address: string, port: number): TransportAddress {
  return { address, port, transport: 'udp' };
}

export interface CheckOptions {
  readonly password?: string | null;
  readonly nominates?: boolean;
  readonly content?: Partial<StunContent>;
}

/** Bytes of a check for the agent with these credentials. */
export function checkFor(local: { ufrag: string; password: string }, options: CheckOptions = {}): Buffer {
  const { password = local.password, nominates = false, content = {} } = options;
  return serializeStun(
    {
      messageClass: STUN_REQUEST,
      transactionId: randomBytes(12),
      username: `${local.ufrag}:${REMOTE_UFRAG}`,
      priority: 0x6e00_01ff,
      useCandidate: nominates,
      iceControlling: TIE_BREAKER,
      ...content,
    },
    password === null ? null : new StunKey(password),
  );
}

export function parsed(bytes: Uint8Array): StunMessage {
  const message = parseStun(bytes);
  if (!(message instanceof StunMessage)) throw new Error('not a message');
  return message;
}
