// Which streams the list shows, and in what order. Pure.

/** From here on a picture for every stream would bury the list. */
const ROWS_FROM = 13;

/** The built-in channel has its own place on the page. */
export function isTestChannel(stream, server) {
  return stream.on_demand && server?.demo === `${stream.app}/${stream.name}`;
}

/** Made by the server for players that cannot decode another stream, and gone when they are: that one is in the list. */
export function isConversion(stream) {
  return stream.source?.protocol === 'transcode';
}

export function layoutFor(chosen, count) {
  if (chosen === 'cards' || chosen === 'rows') return chosen;
  return count >= ROWS_FROM ? 'rows' : 'cards';
}

/** Streams whose name, codecs or publisher contain every word of `search`, in the order `sort`. */
export function arrange(streams, search, sort) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = streams.filter((stream) => {
    const text = searchText(stream);
    return words.every((word) => text.includes(word));
  });
  const byName = (a, b) => a.url.localeCompare(b.url, undefined, { numeric: true });
  const orders = {
    name: byName,
    viewers: (a, b) => b.clients - a.clients || byName(a, b),
    newest: (a, b) => b.live_ms - a.live_ms || byName(a, b),
    bitrate: (a, b) => b.kbps.recv_30s - a.kbps.recv_30s || byName(a, b),
  };
  return found.sort(orders[sort] ?? byName);
}

function searchText(stream) {
  const labels = stream.tracks.map((track) => track.label).join(' ');
  return `${stream.url} ${labels} ${stream.source?.protocol ?? ''} ${stream.source?.remote ?? ''}`.toLowerCase();
}

/** Sums for the line at the top. `live` are those that somebody publishes, without the test channel. */
export function totals(all, live) {
  const sum = (list, read) => list.reduce((total, stream) => total + read(stream), 0);
  return {
    liveCount: live.filter((stream) => stream.state === 'live').length,
    viewers: sum(all, (stream) => stream.clients),
    inKbps: sum(live, (stream) => stream.kbps.recv_30s),
    outKbps: sum(all, (stream) => stream.kbps.send_30s),
  };
}
