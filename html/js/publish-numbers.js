// The numbers of what is being sent. What is not known is not shown.
import { element, setHidden, setText } from './dom.js';
import { bitrate, duration, frameRate } from './format.js';
import { t } from './i18n.js';
import { codecLabel } from './rtc-codecs.js';
import { percent } from './rtc-statistics.js';

const STARTING_S = 15;
const NOTED = new Set(['rtt', 'loss', 'asked']);
const rows = new Map();

/** `facts` as LinkStatistics gives them, `seconds` since it is live. */
export function showNumbers(list, facts, seconds) {
  const numbers = numbersOf(facts, seconds);
  for (const [key, text] of Object.entries(numbers)) showRow(list, key, text);
}

/** Texts by name; '' = not known. */
export function numbersOf(facts, seconds) {
  const picture = facts.width > 0 ? `${facts.width}×${facts.height} ${frameRate(facts.fps ?? 0)}`.trim() : '';
  const asked = facts.nacks + facts.plis > 0 ? `NACK ${facts.nacks} · PLI ${facts.plis}` : '';
  const held = { bandwidth: t('send.held.bandwidth'), cpu: t('send.held.cpu') };
  return {
    since: duration(seconds, t),
    rate: bitrate(facts.kbps ?? 0),
    picture,
    codecs: [facts.videoCodec, facts.audioCodec]
      .map(codecLabel)
      .filter((label) => label !== '')
      .join(' · '),
    rtt: facts.rttMs === null ? '' : `${Math.round(facts.rttMs)} ms`,
    loss: facts.lossPercent === null ? '' : `${percent(facts.lossPercent)} %`,
    asked,
    room: facts.roomKbps === null || facts.width === 0 ? '' : bitrate(facts.roomKbps),
    // A browser begins with little and tries how much more the network takes.
    held: seconds < STARTING_S ? '' : (held[facts.limitedBy] ?? ''),
    transport: facts.overTcp ? 'TCP' : 'UDP',
  };
}

function showRow(list, key, text) {
  let row = rows.get(key);
  if (row === undefined) {
    const value = element('dd');
    const name = element('dt', { textContent: t(`send.number.${key}`) });
    row = { group: element('div', { className: 'fact' }, name, value), value };
    if (NOTED.has(key)) row.group.title = t(`send.number.${key}.note`);
    rows.set(key, row);
    list.append(row.group);
  }
  setHidden(row.group, text === '');
  setText(row.value, text);
}
