/** Which publisher of a name is preferred, by `prefer` of `<publish>`. */
import { NamePattern } from './name-pattern.ts';

/** Place in the list of the first entry that fits the protocol or the address without port, 0 = the best. */
export function publisherRank(
  prefer: string,
  publisher: { readonly protocol: string; readonly remote: string },
): number {
  if (prefer === '') return 0;
  const words = prefer.split(' ');
  const address = publisher.remote.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  const place = words.findIndex((word) => {
    const pattern = new NamePattern(word);
    return pattern.matches(publisher.protocol) || pattern.matches(address);
  });
  return place < 0 ? words.length : place;
}
