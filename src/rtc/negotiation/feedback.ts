/** What a receiver may tell a sender: a=rtcp-fb (RFC 4585 section 4.2), with the two ways of measuring bandwidth. */
import type { SdpAttribute } from '../../wire/sdp/session-description.ts';
import type { RtcFeedback } from '../rtc-description.ts';

const NO_FEEDBACK: RtcFeedback = {
  nack: false,
  pli: false,
  fir: false,
  transportCc: false,
  remb: false,
};

const NAMES: Readonly<Record<keyof RtcFeedback, string>> = {
  nack: 'nack',
  pli: 'nack pli',
  fir: 'ccm fir',
  transportCc: 'transport-cc',
  remb: 'goog-remb',
};
const KEYS = Object.keys(NAMES) as (keyof RtcFeedback)[];

/** By payload type as text; `*` stands for all. */
export type FeedbackTable = ReadonlyMap<string, RtcFeedback>;

export function parseFeedback(attributes: readonly SdpAttribute[]): FeedbackTable {
  const table = new Map<string, RtcFeedback>();
  for (const { name, value } of attributes) {
    if (name !== 'rtcp-fb') continue;
    const [payloadType = '', ...words] = value.toLowerCase().split(/\s+/);
    const text = words.join(' ');
    const key = KEYS.find((one) => NAMES[one] === text);
    if (key !== undefined)
      table.set(payloadType, { ...(table.get(payloadType) ?? NO_FEEDBACK), [key]: true });
  }
  return table;
}

export function feedbackOf(table: FeedbackTable, payloadType: number): RtcFeedback {
  const own = table.get(String(payloadType)) ?? NO_FEEDBACK;
  const all = table.get('*') ?? NO_FEEDBACK;
  return combine((key) => own[key] || all[key]);
}

/** Of sound only what concerns packets: there are no pictures to ask for. */
export function usableFeedback(
  feedback: RtcFeedback,
  kind: 'video' | 'audio',
  hasTransportCc: boolean,
): RtcFeedback {
  const isVideo = kind === 'video';
  return {
    nack: feedback.nack,
    pli: isVideo && feedback.pli,
    fir: isVideo && feedback.fir,
    transportCc: feedback.transportCc && hasTransportCc,
    remb: isVideo && feedback.remb,
  };
}

export function bothFeedback(a: RtcFeedback, b: RtcFeedback): RtcFeedback {
  return combine((key) => a[key] && b[key]);
}

export function printFeedback(payloadType: number, feedback: RtcFeedback): SdpAttribute[] {
  return KEYS.filter((key) => feedback[key]).map((key) => ({
    name: 'rtcp-fb',
    value: `${payloadType} ${NAMES[key]}`,
  }));
}

function combine(has: (key: keyof RtcFeedback) => boolean): RtcFeedback {
  return {
    nack: has('nack'),
    pli: has('pli'),
    fir: has('fir'),
    transportCc: has('transportCc'),
    remb: has('remb'),
  };
}
