// The list of ways to play, with one sentence for each that is not possible here.
import { offeredWays, wayLabel } from './addresses.js';
import { byId, element, setHidden, setText } from './dom.js';
import { t } from './i18n.js';
import { checkWay } from './ways.js';

/** Nobody misses sound alone in a codec that the stream does not have. */
const NOT_MISSED = new Set(['why.aac.codec', 'why.mp3.codec']);

/** `refused`: texts of ways that were tried and failed; `note`: what the server says about the present way, or ''. */
export function showWays({ stream, activeWay, abilities, refused, note }) {
  const select = byId('way');
  setHidden(select.parentElement, activeWay === null);
  const options = offeredWays(stream).map((way) => ({ way, ...checkWay(way, stream, abilities) }));
  const key = `${activeWay} ${options.map(({ way, works }) => way + works).join()}`;
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    const nodes = options.map(({ way, works, reason, values }) =>
      element('option', {
        value: way,
        textContent: wayLabel(way),
        disabled: !works,
        selected: way === activeWay,
        title: reason === '' ? '' : t(reason, values),
      }),
    );
    select.replaceChildren(...nodes);
  }
  showNotes(options, activeWay, refused, note);
}

// What the present way leaves out and what it stands in for is said at once, why others are not possible when asked.
function showNotes(options, activeWay, refused, note) {
  const present = new Map();
  const impossible = new Map();
  if (note !== '' && activeWay !== null) present.set(note, [wayLabel(activeWay)]);
  for (const { way, works, reason, values } of options) {
    if (reason === '' || NOT_MISSED.has(reason)) continue;
    if (way === activeWay) add(present, t(reason, values), way);
    else if (!works && activeWay !== null) add(impossible, t(reason, values), way);
  }
  for (const [way, reason] of activeWay === null ? [] : refused)
    add(present, t('why.fellBack', { reason, way: wayLabel(activeWay) }), way);
  showLines(byId('way-note'), byId('way-note'), present);
  showLines(byId('way-refusals'), byId('way-refusals').querySelector('p'), impossible);
}

/** Ways with the same reason share a sentence. */
function add(notes, text, way) {
  notes.set(text, [...(notes.get(text) ?? []), wayLabel(way)]);
}

function showLines(box, place, notes) {
  const lines = [...notes].map(([text, labels]) => `${labels.join(', ')}: ${text}`);
  setText(place, lines.join('\n'));
  setHidden(box, lines.length === 0);
}
