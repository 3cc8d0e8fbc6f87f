// What the address of the player page asks for. Pure.

const OWN = new Set(['app', 'stream', 'way', 'autostart', 'muted', 'lang']);

/**
 * `framed`: shown inside another page. There it starts by itself only when asked to; opened as a page of its own,
 * somebody has just clicked on the stream, so it starts unless told not to.
 */
export function fromLocation(query, framed) {
  const autostart = query.get('autostart');
  const extra = new URLSearchParams();
  for (const [name, value] of query) if (!OWN.has(name)) extra.append(name, value);
  return {
    app: query.get('app') || 'live',
    name: query.get('stream') || 'stream',
    way: query.get('way') ?? '',
    autostart: autostart === null ? !framed : isYes(autostart),
    muted: isYes(query.get('muted') ?? ''),
    extra: extra.toString(),
    framed,
  };
}

function isYes(value) {
  return value === '1' || value === 'true' || value === 'yes';
}
