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

// What the present way leaves out comes first; ways with the same reason share a sentence.
function showNotes(options, activeWay, refused, note) {
  const notes = new Map();
  if (note !== '' && activeWay !== null) notes.set(note, [wayLabel(activeWay)]);
  const active = options.find(({ way }) => way === activeWay);
  const others = options.filter((one) => one !== active);
  for (const { way, works, reason, values } of active === undefined ? others : [active, ...others]) {
    const isShown = way === activeWay || (!works && activeWay !== null);
    if (reason === '' || !isShown || NOT_MISSED.has(reason)) continue;
    const text = t(reason, values);
    notes.set(text, [...(notes.get(text) ?? []), wayLabel(way)]);
  }
  for (const [way, reason] of activeWay === null ? [] : refused)
    notes.set(t('why.fellBack', { reason, way: wayLabel(activeWay) }), [wayLabel(way)]);
  const lines = [...notes].map(([text, labels]) => `${labels.join(', ')}: ${text}`);
  setText(byId('way-note'), lines.join('\n'));
  setHidden(byId('way-note'), lines.length === 0);
}
