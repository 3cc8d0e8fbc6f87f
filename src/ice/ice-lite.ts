/**
 * The server's side of ICE for one peer: lite agent (RFC 8445 sections 2.5 and 7.3), always controlled. It answers checks
 * and takes the address that the peer nominates; it never sends a check of its own. Consent (RFC 7675) is what the peer
 * shows by its checks and its authenticated media. Restarts: RFC 8445 section 9.
 * Left out: a peer that is lite, too (nobody would send checks); several components.
 */
import { StunKey } from '../wire/stun/stun-key.ts';
import { STUN_BINDING, STUN_REQUEST, type StunMessage } from '../wire/stun/stun-message.ts';
import {
  BAD_REQUEST,
  errorAnswer,
  ROLE_CONFLICT,
  successAnswer,
  UNAUTHENTICATED,
  UNKNOWN_ATTRIBUTE,
} from './binding-answer.ts';
import { type IceCredentials, makeIceCredentials } from './credentials.ts';
import { isSameAddress, type TransportAddress } from './transport-address.ts';

/** RFC 7675 section 5.1. */
const CONSENT_TIMEOUT_MS = 30_000;
/**
 * For so long the nomination of an address that is liked more stands against others. Peers that nominate every pair
 * (RFC 5245 section 8.1.1.2) repeat a check within this time, so the best pair wins; a peer whose network went away is
 * silent there, and its next nomination is taken.
 */
const NOMINATION_STANDS_US = 2_000_000;

export interface IceLiteEvents {
  /** `bytes` is new memory. */
  send(bytes: Uint8Array, to: TransportAddress): void;
  /** The peer nominated an address, the first time or another one: media go there from now on. */
  selected(to: TransportAddress): void;
}

export interface IceLiteOptions {
  /** `ice-ufrag` of the peer's description; null while it is not known, then the peer's half is not checked. */
  readonly remoteUfrag: string | null;
  /** Ours; random ones when they are not given. */
  readonly local?: IceCredentials;
  /** Without a check or authenticated traffic for so long the peer has withdrawn its consent. */
  readonly consentTimeoutMs?: number;
}

/** What an agent refused. */
export interface IceRefusals {
  badRequest: number;
  badIntegrity: number;
  roleConflict: number;
  unknownAttribute: number;
}

/** One generation of credentials. */
class Generation {
  readonly local: IceCredentials;
  readonly key: StunKey;
  remoteUfrag: string | null;

  constructor(remoteUfrag: string | null, local: IceCredentials) {
    this.local = local;
    this.key = new StunKey(this.local.password);
    this.remoteUfrag = remoteUfrag;
  }
}

export class IceLiteAgent {
  readonly refusals: IceRefusals;
  private readonly events: IceLiteEvents;
  private readonly consentTimeoutUs: number;
  private current: Generation;
  /** What the peer uses until its first check with the current one. */
  private previous: Generation | null;
  private isCurrentProven: boolean;
  private selectedAddress: TransportAddress | null;
  private selectedPriority: number;
  /** Of the last right check before the first nomination. */
  private checkedAddress: TransportAddress | null;
  /** When the selected address was nominated last; -Infinity when its last check did not nominate it. */
  private selectedNominatedUs: number;
  private heardUs: number;

  constructor(options: IceLiteOptions, events: IceLiteEvents, nowUs: number) {
    this.refusals = { badRequest: 0, badIntegrity: 0, roleConflict: 0, unknownAttribute: 0 };
    this.events = events;
    this.consentTimeoutUs = (options.consentTimeoutMs ?? CONSENT_TIMEOUT_MS) * 1000;
    this.current = new Generation(options.remoteUfrag, options.local ?? makeIceCredentials());
    this.previous = null;
    this.isCurrentProven = false;
    this.selectedAddress = null;
    this.selectedPriority = 0;
    this.checkedAddress = null;
    this.selectedNominatedUs = Number.NEGATIVE_INFINITY;
    this.heardUs = nowUs;
  }

  /** For our description. */
  get local(): IceCredentials {
    return this.current.local;
  }

  /** Our user name fragments that checks may name now: one, or two while a restart is not finished. */
  get ufrags(): readonly string[] {
    const { ufrag } = this.current.local;
    return this.previous === null ? [ufrag] : [this.previous.local.ufrag, ufrag];
  }

  /** Where media go; null before the first nomination. */
  get selected(): TransportAddress | null {
    return this.selectedAddress;
  }

  /**
   * Where to send now: the selected address, before the first nomination the one of the last right check (Chromium begins
   * DTLS as soon as a check of its is answered), null before that.
   */
  get destination(): TransportAddress | null {
    return this.selectedAddress ?? this.checkedAddress;
  }

  /** The peer's description came after ours. */
  setRemoteUfrag(remoteUfrag: string): void {
    this.current.remoteUfrag = remoteUfrag;
  }

  /**
   * ICE restart: new credentials for our next description. The old ones and the selected address work until the first
   * check with the new ones. An agent in a directory is restarted by `IceDirectory.restart`.
   */
  restart(remoteUfrag: string | null, local = makeIceCredentials()): IceCredentials {
    // A restart that the peer never took up is forgotten; what it uses stays.
    if (this.isCurrentProven || this.previous === null) this.previous = this.current;
    this.current = new Generation(remoteUfrag, local);
    this.isCurrentProven = false;
    return this.current.local;
  }

  /**
   * A binding request whose user name begins with one of `ufrags`, from `from`. True: it was right and is answered;
   * the peer is reachable at `from`. False: it is counted in `refusals`, and answered where that costs no more bytes
   * than were received. Anything but a binding request is ignored.
   */
  receiveCheck(request: StunMessage, from: TransportAddress, nowUs: number): boolean {
    if (request.messageClass !== STUN_REQUEST || request.method !== STUN_BINDING) return false;
    const generation = this.generationOf(request.username);
    if (request.integrityOffset < 0 || request.username === '') {
      this.refusals.badRequest++;
      return this.refuse(request, from, errorAnswer(request, BAD_REQUEST, null));
    }
    if (generation === null || !request.isSignedBy(generation.key)) {
      this.refusals.badIntegrity++;
      return this.refuse(request, from, errorAnswer(request, UNAUTHENTICATED, null));
    }
    if (request.notUnderstood.length > 0) {
      this.refusals.unknownAttribute++;
      return this.refuse(request, from, errorAnswer(request, UNKNOWN_ATTRIBUTE, generation.key));
    }
    if (request.iceControlled !== undefined) {
      // A lite agent cannot take over: the full one controls (RFC 8445 section 6.1.1).
      this.refusals.roleConflict++;
      return this.refuse(request, from, errorAnswer(request, ROLE_CONFLICT, generation.key));
    }
    this.heardUs = nowUs;
    if (generation === this.current && !this.isCurrentProven) {
      this.isCurrentProven = true;
      this.previous = null;
      // Whatever was nominated before the restart does not stand against what is nominated after it.
      this.selectedNominatedUs = Number.NEGATIVE_INFINITY;
    }
    this.events.send(successAnswer(request, from, generation.key), from);
    this.nominate(request, from, nowUs);
    return true;
  }

  /** Authenticated traffic (SRTP, SRTCP, DTLS records of the session) came from the peer. Cheap: call it per packet. */
  heard(nowUs: number): void {
    this.heardUs = nowUs;
  }

  /** The peer has shown no consent for too long, or never came: end the session. */
  expired(nowUs: number): boolean {
    return nowUs - this.heardUs >= this.consentTimeoutUs;
  }

  /** A TCP connection ended: the next nomination of any other address is taken at once. */
  unreachable(address: TransportAddress): void {
    const { selectedAddress } = this;
    if (selectedAddress !== null && isSameAddress(selectedAddress, address))
      this.selectedNominatedUs = Number.NEGATIVE_INFINITY;
  }

  private nominate(request: StunMessage, from: TransportAddress, nowUs: number): void {
    const { selectedAddress } = this;
    if (selectedAddress !== null && isSameAddress(selectedAddress, from)) {
      this.selectedNominatedUs = request.useCandidate ? nowUs : Number.NEGATIVE_INFINITY;
      return;
    }
    if (!request.useCandidate) {
      if (selectedAddress === null) this.checkedAddress = copyOf(from);
      return;
    }
    const stands = nowUs - this.selectedNominatedUs < NOMINATION_STANDS_US;
    if (selectedAddress !== null && stands && this.selectedPriority > request.priority) return;
    this.selectedAddress = copyOf(from);
    this.selectedPriority = request.priority;
    this.selectedNominatedUs = nowUs;
    this.events.selected(this.selectedAddress);
  }

  /** Whose user name it is: our fragment, a colon, the peer's. */
  private generationOf(username: string): Generation | null {
    if (isFor(this.current, username)) return this.current;
    return this.previous !== null && isFor(this.previous, username) ? this.previous : null;
  }

  private refuse(request: StunMessage, to: TransportAddress, answer: Buffer): false {
    if (answer.length <= request.bytes.length) this.events.send(answer, to);
    return false;
  }
}

/** The owner of an address may use its object again. */
function copyOf(address: TransportAddress): TransportAddress {
  return { ...address };
}

function isFor(generation: Generation, username: string): boolean {
  const { local, remoteUfrag } = generation;
  const { length } = local.ufrag;
  if (!username.startsWith(local.ufrag) || username.charCodeAt(length) !== 0x3a) return false;
  return remoteUfrag === null || username.slice(length + 1) === remoteUfrag;
}
