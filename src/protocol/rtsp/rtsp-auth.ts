/**
 * Asking a peer who it is (RFC 2326 section 14, RFC 7616 without qop, RFC 7617): one nonce per connection, which grows
 * old; a right answer to another nonce is told that it is stale, so that programs ask nobody for the password again.
 */
import { randomBytes } from 'node:crypto';
import { isRightAnswer, parseAnswer, serializeChallenge } from '../../wire/rtsp/authentication.ts';
import type { RtspRequest } from '../../wire/rtsp/rtsp-message.ts';
import type { RtspLogin } from './rtsp-services.ts';

const REALM = 'Sluice';
const NONCE_BYTES = 16;
const NONCE_LIFE_US = 300_000_000;

/** `missing`: it did not say who it is; `stale`: it did, with a nonce of another time; `wrong`: it said something else. */
export type LoginOutcome = 'right' | 'missing' | 'stale' | 'wrong';

export class RtspAuthentication {
  private nonce = '';
  private nonceUs = 0;

  check(request: RtspRequest, login: RtspLogin, nowUs: number): LoginOutcome {
    const field = request.headers.get('Authorization');
    if (field === '') return 'missing';
    const answer = parseAnswer(field);
    if (answer === null || (answer.scheme === 'basic' && !login.basic)) return 'wrong';
    if (!isRightAnswer(answer, login, request.method)) return 'wrong';
    if (answer.scheme === 'basic') return 'right';
    const isOurs = answer.realm === REALM && answer.nonce === this.nonce && this.nonce !== '';
    return isOurs && nowUs - this.nonceUs <= NONCE_LIFE_US ? 'right' : 'stale';
  }

  /** Values of the WWW-Authenticate fields. Programs that know MD5 alone take the last digest, so that is MD5. */
  challenges(login: RtspLogin, isStale: boolean, nowUs: number): string[] {
    if (this.nonce === '' || isStale || nowUs - this.nonceUs > NONCE_LIFE_US / 2) {
      this.nonce = randomBytes(NONCE_BYTES).toString('hex');
      this.nonceUs = nowUs;
    }
    const digest = {
      scheme: 'digest',
      realm: REALM,
      nonce: this.nonce,
      isSessionKey: false,
      hasQop: false,
      opaque: '',
      isStale,
    } as const;
    return [
      ...(login.basic ? [serializeChallenge({ scheme: 'basic', realm: REALM })] : []),
      serializeChallenge({ ...digest, algorithm: 'SHA-256' }),
      serializeChallenge({ ...digest, algorithm: 'MD5' }),
    ];
  }
}
