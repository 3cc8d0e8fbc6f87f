/** Errors of the system and of TLS as sentences that name the host, for people who typed its address. */

/** Certificates that this machine does not trust, or that belong to another name. */
const CERTIFICATE_CODES: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_UNTRUSTED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** Whether a sentence of `describeFailure` says so: then there is a setting that helps. */
export function isUntrusted(sentence: string): boolean {
  return /certificate of .* is not trusted/.test(sentence);
}

/** `code` is that of Node's error, or its message when it has none. */
export function describeFailure(code: string, host: string, port: number): string {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (CERTIFICATE_CODES.has(code)) return `the certificate of ${address} is not trusted (${code})`;
  switch (code) {
    case 'ENOTFOUND':
      return `there is no host named "${host}" (DNS)`;
    case 'EAI_AGAIN':
      return `the name "${host}" cannot be looked up at the moment (DNS)`;
    case 'ECONNREFUSED':
      return `nothing listens at ${address} (connection refused)`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `${address} cut the connection`;
    case 'ETIMEDOUT':
      return `${address} cannot be reached (timed out)`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return `${address} cannot be reached (${code})`;
    case 'EPROTO':
      return `${address} does not speak TLS`;
    default:
      return `${address}: ${code}`;
  }
}

/** The code of an error of Node, else what it says. */
export function failureCode(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return failureCode(error.errors[0]);
  const { code, message } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && !code.startsWith('ERR_SSL')
    ? code
    : code === undefined
      ? message
      : 'EPROTO';
}
