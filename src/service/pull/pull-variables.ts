/** What of a stream's name goes into the URL of its source. */
import { splitStreamText } from '../../media/stream-key.ts';

/**
 * `$1` to `$8`, `$app` and `$name` (the part behind the last slash) in a URL. Values are percent-encoded, so that a name
 * cannot become a query, a user or another host.
 */
export function fillUrl(url: string, streamText: string, stars: readonly string[]): string {
  const { app, name } = splitStreamText(streamText);
  return url.replace(/\$([1-8]|app\b|name\b)/g, (whole, word: string) => {
    if (word === 'app') return encodeLevels(app);
    if (word === 'name') return encodeLevels(name);
    const value = stars[Number(word) - 1];
    return value === undefined ? whole : encodeLevels(value);
  });
}

function encodeLevels(text: string): string {
  return text.split('/').map(encodeURIComponent).join('/');
}
