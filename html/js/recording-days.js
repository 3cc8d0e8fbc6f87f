// Days of recordings. The server's day is that of its own clock, which may stand in another time zone than the browser;
// addresses carry the server's day, so that is what counts where there is one. Pure.

const HOUR_MS = 3_600_000;

/** Wide enough for the day in every time zone: RFC 3339. */
export function dayWindow(day) {
  const start = Date.parse(`${day}T00:00:00Z`);
  return {
    start: new Date(start - 14 * HOUR_MS).toISOString(),
    end: new Date(start + 38 * HOUR_MS).toISOString(),
  };
}

/** Whether a recording belongs to the day: by its address, else by where its start lies in the browser's time. */
export function isOfDay({ url, start }, day) {
  const named = /\/(\d{4}-\d{2}-\d{2})\//.exec(url)?.[1];
  return (named ?? localDay(new Date(start))) === day;
}

/** Times of the form (browser's time) as a range, or null when it is none. */
export function rangeOfDay(day, from, to) {
  const start = new Date(`${day}T${from}`);
  const end = new Date(`${day}T${to}`);
  if (Number.isNaN(start.getTime()) || Number.isNaN(end.getTime()) || end <= start) return null;
  return { start: start.toISOString(), end: end.toISOString() };
}

/** `rec/cam` is `cam` in addresses of recordings; others keep their application. */
export function shortStream(stream) {
  return /^rec\/[^/]+$/.test(stream) ? stream.slice(4) : stream;
}

function localDay(date) {
  const two = (value) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
