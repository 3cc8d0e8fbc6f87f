/** From a forward rule and the stream that it applies to: where to connect, and what address to announce there. */
import { callAddressOfStream, streamOfCall } from '../../client/webrtc/call-address.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { ForwardRule } from './forward-config.ts';

export interface ForwardTarget {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  /** Announced address, with the stream's name. */
  readonly url: string;
  /** `app/stream` at the target. */
  readonly streamText: string;
  /** For people: without query, which may hold a key. */
  readonly shown: string;
  /** `conf/policy.xml:6:7`. */
  readonly where: string;
}

/** `publisherHost` is the host that the publisher typed; an empty rewrite keeps it. */
export function resolveTarget(rule: ForwardRule, key: StreamKey, publisherHost: string): ForwardTarget {
  const { host, port, scheme, where } = rule;
  const url = announcedUrl(rule, key, publisherHost);
  const bare = withoutLogin(url.split('?')[0]!);
  const streamText = scheme === 'whip' ? streamOfCall(url) : bare.split('/').slice(3).join('/');
  const shown = `${bare} (${host.includes(':') ? `[${host}]` : host}:${port})`;
  return { scheme, host, port, url, streamText, shown, where };
}

/** Name and password are for the target alone. */
function withoutLogin(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/]*@/, '$1');
}

function announcedUrl(rule: ForwardRule, key: StreamKey, publisherHost: string): string {
  if (rule.scheme === 'whip') return callAddressOfStream(rule.rewrite, key.app, key.name, rule.appendsStream);
  if (rule.rewrite === '') {
    const host = publisherHost === '' ? rule.host : publisherHost;
    return `${rule.scheme}://${host.includes(':') ? `[${host}]` : host}/${key.app}/${key.name}`;
  }
  if (!rule.appendsStream) return rule.rewrite;
  const split = rule.rewrite.indexOf('?');
  const path = split < 0 ? rule.rewrite : rule.rewrite.slice(0, split);
  const query = split < 0 ? '' : rule.rewrite.slice(split);
  return `${path.replace(/\/+$/, '')}/${key.name}${query}`;
}
