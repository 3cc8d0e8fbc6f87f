/**
 * Basic and Digest access authentication as RTSP uses it (RFC 2326 section 14, RFC 7617, RFC 7616 with MD5 and SHA-256,
 * without qop as RFC 2069 had it and with qop=auth): challenges, the answers to them, and their check. Left out:
 * auth-int, userhash, SHA-512-256, mutual authentication.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

type DigestAlgorithm = 'MD5' | 'SHA-256';

interface BasicChallenge {
  readonly scheme: 'basic';
  readonly realm: string;
}

export interface DigestChallenge {
  readonly scheme: 'digest';
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: DigestAlgorithm;
  /** `MD5-sess`, `SHA-256-sess`. */
  readonly isSessionKey: boolean;
  /** Whether the answer says qop=auth. */
  readonly hasQop: boolean;
  /** '' = none. */
  readonly opaque: string;
  /** Name and password were right, the nonce is too old. */
  readonly isStale: boolean;
}

export type Challenge = BasicChallenge | DigestChallenge;

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

interface BasicAnswer extends Credentials {
  readonly scheme: 'basic';
}

interface DigestAnswer {
  readonly scheme: 'digest';
  readonly user: string;
  readonly realm: string;
  readonly nonce: string;
  readonly uri: string;
  readonly algorithm: DigestAlgorithm;
  readonly isSessionKey: boolean;
  /** Lower case hexadecimal digits. */
  readonly response: string;
  readonly hasQop: boolean;
  readonly cnonce: string;
  /** As it came, eight hexadecimal digits. */
  readonly nonceCount: string;
}

export type Answer = BasicAnswer | DigestAnswer;

const MAX_FIELD_LENGTH = 8192;
const MAX_PARAMETERS = 64;

/** Value of a WWW-Authenticate field. */
export function serializeChallenge(challenge: Challenge): string {
  if (challenge.scheme === 'basic') return `Basic realm=${quote(challenge.realm)}`;
  let text = `Digest realm=${quote(challenge.realm)}, nonce=${quote(challenge.nonce)}`;
  if (challenge.opaque !== '') text += `, opaque=${quote(challenge.opaque)}`;
  if (challenge.isStale) text += ', stale=true';
  // Programs that know RFC 2069 alone stumble over an algorithm; MD5 is what they do.
  const suffix = challenge.isSessionKey ? '-sess' : '';
  if (challenge.algorithm !== 'MD5' || suffix !== '') text += `, algorithm=${challenge.algorithm}${suffix}`;
  return challenge.hasQop ? `${text}, qop="auth"` : text;
}

/** All challenges that we can answer, of all WWW-Authenticate fields, in their order. */
export function parseChallenges(fields: readonly string[]): Challenge[] {
  const challenges: Challenge[] = [];
  for (const field of fields) {
    for (const { scheme, parameters } of parseField(field)) {
      if (scheme === 'basic') challenges.push({ scheme, realm: parameters.get('realm') ?? '' });
      if (scheme !== 'digest') continue;
      const algorithm = parseAlgorithm(parameters.get('algorithm'));
      const nonce = parameters.get('nonce');
      const qops =
        parameters
          .get('qop')
          ?.toLowerCase()
          .split(/[\s,]+/)
          .filter((word) => word !== '') ?? [];
      if (algorithm === null || nonce === undefined || (qops.length > 0 && !qops.includes('auth'))) continue;
      challenges.push({
        scheme,
        realm: parameters.get('realm') ?? '',
        nonce,
        ...algorithm,
        hasQop: qops.length > 0,
        opaque: parameters.get('opaque') ?? '',
        isStale: parameters.get('stale')?.toLowerCase() === 'true',
      });
    }
  }
  return challenges;
}

/** Null when there is none; SHA-256 before MD5 before Basic. */
export function strongestChallenge(challenges: readonly Challenge[]): Challenge | null {
  let best: Challenge | null = null;
  for (const challenge of challenges)
    if (best === null || strength(challenge) > strength(best)) best = challenge;
  return best;
}

function strength(challenge: Challenge): number {
  if (challenge.scheme === 'basic') return 0;
  return challenge.algorithm === 'MD5' ? 1 : 2;
}

/** What the answer belongs to. */
export interface AnsweredRequest {
  readonly method: string;
  readonly uri: string;
  /** Random, of our choice. */
  readonly cnonce: string;
  /** How often this nonce was answered, from 1 on. */
  readonly count: number;
}

/** Value of an Authorization field. */
export function answerChallenge(
  challenge: Challenge,
  credentials: Credentials,
  request: AnsweredRequest,
): string {
  const { user, password } = credentials;
  if (challenge.scheme === 'basic') return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const { realm, nonce, algorithm, isSessionKey, hasQop, opaque } = challenge;
  const { method, uri, cnonce } = request;
  const nonceCount = request.count.toString(16).padStart(8, '0');
  const response = digestResponse(
    {
      scheme: 'digest',
      user,
      realm,
      nonce,
      uri,
      algorithm,
      isSessionKey,
      response: '',
      hasQop,
      cnonce,
      nonceCount,
    },
    password,
    method,
  );
  let text = `Digest username=${quote(user)}, realm=${quote(realm)}, nonce=${quote(nonce)}, uri=${quote(uri)}`;
  text += `, response="${response}"`;
  if (algorithm !== 'MD5' || isSessionKey) text += `, algorithm=${algorithm}${isSessionKey ? '-sess' : ''}`;
  if (opaque !== '') text += `, opaque=${quote(opaque)}`;
  if (hasQop) text += `, qop=auth, nc=${nonceCount}`;
  return hasQop || isSessionKey ? `${text}, cnonce=${quote(cnonce)}` : text;
}

/** Null when it is no answer that we know. */
export function parseAnswer(field: string): Answer | null {
  if (field.length > MAX_FIELD_LENGTH) return null;
  const basic = /^\s*basic\s+([a-z0-9+/=_-]+)\s*$/i.exec(field);
  if (basic !== null) {
    const text = Buffer.from(basic[1]!, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    return colon < 0
      ? null
      : { scheme: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  const first = parseField(field)[0];
  if (first === undefined || first.scheme !== 'digest') return null;
  const { parameters } = first;
  const algorithm = parseAlgorithm(parameters.get('algorithm'));
  const user = parameters.get('username');
  const response = parameters.get('response');
  if (algorithm === null || user === undefined || response === undefined) return null;
  return {
    scheme: 'digest',
    user,
    realm: parameters.get('realm') ?? '',
    nonce: parameters.get('nonce') ?? '',
    uri: parameters.get('uri') ?? '',
    ...algorithm,
    response: response.toLowerCase(),
    hasQop: parameters.get('qop')?.toLowerCase() === 'auth',
    cnonce: parameters.get('cnonce') ?? '',
    nonceCount: parameters.get('nc') ?? '',
  };
}

/**
 * Whether the answer fits name and password; takes the same time whatever is wrong. The caller checks that the nonce is
 * its own. The address in the answer need not be that of the request: programs write the presentation's, the track's
 * or one without the query, and a nonce that belongs to one connection cannot be replayed on another.
 */
export function isRightAnswer(answer: Answer, credentials: Credentials, method: string): boolean {
  if (answer.scheme === 'basic') {
    const isUser = isSame(answer.user, credentials.user);
    const isPassword = isSame(answer.password, credentials.password);
    return isUser && isPassword;
  }
  const isUser = isSame(answer.user, credentials.user);
  const isResponse = isSame(answer.response, digestResponse(answer, credentials.password, method));
  return isUser && isResponse;
}

/** RFC 7616 section 3.4.1. The user is that of the answer. */
function digestResponse(answer: DigestAnswer, password: string, method: string): string {
  const { algorithm, user, realm, nonce, cnonce, uri } = answer;
  let secret = hash(algorithm, `${user}:${realm}:${password}`);
  if (answer.isSessionKey) secret = hash(algorithm, `${secret}:${nonce}:${cnonce}`);
  const request = hash(algorithm, `${method}:${uri}`);
  const middle = answer.hasQop ? `${nonce}:${answer.nonceCount}:${cnonce}:auth` : nonce;
  return hash(algorithm, `${secret}:${middle}:${request}`);
}

function hash(algorithm: DigestAlgorithm, text: string): string {
  return createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
    .update(text, 'utf8')
    .digest('hex');
}

function isSame(one: string, other: string): boolean {
  return timingSafeEqual(
    createHash('sha256').update(one).digest(),
    createHash('sha256').update(other).digest(),
  );
}

function parseAlgorithm(
  text: string | undefined,
): { readonly algorithm: DigestAlgorithm; readonly isSessionKey: boolean } | null {
  switch (text?.toUpperCase() || 'MD5') {
    case 'MD5':
      return { algorithm: 'MD5', isSessionKey: false };
    case 'MD5-SESS':
      return { algorithm: 'MD5', isSessionKey: true };
    case 'SHA-256':
      return { algorithm: 'SHA-256', isSessionKey: false };
    case 'SHA-256-SESS':
      return { algorithm: 'SHA-256', isSessionKey: true };
    default:
      return null;
  }
}

interface AuthenticationField {
  readonly scheme: string;
  readonly parameters: Map<string, string>;
}

/** `Scheme name=value, name="value", Scheme2 ...`: a word that no equals sign follows begins the next scheme. */
function parseField(field: string): AuthenticationField[] {
  const found: AuthenticationField[] = [];
  if (field.length > MAX_FIELD_LENGTH) return found;
  const pattern = /([^\s=,"]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^\s,]*)))?/g;
  let count = 0;
  for (
    let match = pattern.exec(field);
    match !== null && count < MAX_PARAMETERS;
    match = pattern.exec(field), count++
  ) {
    const name = match[1]!.toLowerCase();
    const value = match[2] === undefined ? match[3] : match[2].replace(/\\(.)/g, '$1');
    if (value === undefined) found.push({ scheme: name, parameters: new Map() });
    else if (found.length > 0) {
      const { parameters } = found[found.length - 1]!;
      if (!parameters.has(name)) parameters.set(name, value);
    }
  }
  return found;
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
