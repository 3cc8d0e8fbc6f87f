/** STUN and TURN servers that peers are told by Link headers (RFC 9725 section 4.6; addresses by RFC 7064 and RFC 7065). */

export interface IceServer {
  /** `turn:host:3478?transport=udp`, without user and password. */
  readonly url: string;
  /** '' = none. */
  readonly user: string;
  readonly password: string;
}

const PATTERN =
  /^((?:stun|turn)s?):(?:([^\s:@"\\<>]{1,256}):([^\s@"\\<>]{1,256})@)?((?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?(?:\?transport=(?:udp|tcp))?)$/i;

/** `turn:user:password@host:3478?transport=udp`; null for what is none. TURN needs a user, STUN has none. */
export function parseIceServer(given: string): IceServer | null {
  const match = PATTERN.exec(given);
  if (match === null) return null;
  const [, scheme = '', user = '', password = '', rest = ''] = match;
  const needsUser = /^turn/i.test(scheme);
  if (needsUser !== (user !== '')) return null;
  return { url: `${scheme.toLowerCase()}:${rest}`, user, password };
}

/** Values of Link headers. */
export function iceServerLinks(servers: readonly IceServer[]): string[] {
  return servers.map(({ url, user, password }) => {
    const login =
      user === '' ? '' : `; username="${user}"; credential="${password}"; credential-type="password"`;
    return `<${url}>; rel="ice-server"${login}`;
  });
}
