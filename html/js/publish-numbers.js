// The numbers of what is being sent. What is not known is not shown.
import { FactList } from './fact-list.js';
import { bitrate, duration, frameRate, resolution } from './format.js';
import { t } from './i18n.js';
import { codecLabel } from './rtc-codecs.js';
import { percent } from './rtc-statistics.js';

const STARTING_S = 15;
const rows = new FactList((key) => t(`send.number.${key}`), new Set(['rtt', 'loss', 'asked']));

/** `facts` as LinkStatistics gives them, `seconds` since it is live. */
export function showNumbers(list, facts, seconds) {
  rows.show(list, numbersOf(facts, seconds));
}

/** Texts by name; '' = not known. */
export function numbersOf(facts, seconds) {
  const picture =
    facts.width > 0 ? `${resolution(facts.width, facts.height)} ${frameRate(facts.fps ?? 0)}`.trim() : '';
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
