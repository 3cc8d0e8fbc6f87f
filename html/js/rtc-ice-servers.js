// STUN and TURN servers that the server names in Link headers (RFC 9725 section 4.6; the form is that of RFC 8288).
// Leaves out logins by OAuth, which browsers do not have. Pure.

/** Browsers complain about many: each of them is asked at every connection. */
const MOST_SERVERS = 8;
const LINK = /<([^<>]*)>((?:\s*;\s*[\w-]+=(?:"(?:[^"\\]|\\.)*"|[^\s";,]*))*)/g;
const PARAMETER = /;\s*([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*))/g;

/** For `iceServers` of a connection; `links` is the Link header as `Headers.get` joins it, null when there is none. */
export function iceServersOf(links) {
  const servers = [];
  for (const [, urls, text] of (links ?? '').matchAll(LINK)) {
    const { rel = '', username, credential, 'credential-type': type = 'password' } = parametersOf(text);
    if (!rel.split(' ').includes('ice-server')) continue;
    if (/^stuns?:/i.test(urls)) servers.push({ urls });
    // Without a login a browser refuses a TURN server, and all others with it.
    const hasLogin = username !== undefined && credential !== undefined && type === 'password';
    if (/^turns?:/i.test(urls) && hasLogin) servers.push({ urls, username, credential });
  }
  return servers.slice(0, MOST_SERVERS);
}

function parametersOf(text) {
  const parameters = {};
  for (const [, name, quoted, plain] of text.matchAll(PARAMETER))
    parameters[name.toLowerCase()] = quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1');
  return parameters;
}
