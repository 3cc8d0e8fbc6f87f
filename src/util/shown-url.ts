/** URLs as logs, lists and pages may show them: without what could be a secret. */

/** User name and password are left out, values of the query too: they often hold keys. */
export function shownUrl(url: string): string {
  const match = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)([^?#]*)(\?[^#]*)?/i.exec(url);
  if (match === null) return url;
  const [, scheme = '', authority = '', path = '', query = ''] = match;
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  return `${scheme}${host}${path}${query === '' ? '' : '?…'}`;
}

/** A sentence that may quote the URL or a part of it with a password. */
export function withoutSecrets(text: string, url: string): string {
  return text.replaceAll(url, shownUrl(url)).replaceAll(/\/\/[^/\s@"]*@/g, '//');
}
