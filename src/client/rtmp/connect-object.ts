/** What a Sluice server says of itself in `connect`, as a client and in its answers (enhanced RTMP v2). */
import type { AmfObject } from '../../wire/amf/amf-value.ts';
import { amfObject } from '../../wire/rtmp/command.ts';
import { CAPS_MOD_EX, CAPS_MULTITRACK } from '../../wire/rtmp/enhanced.ts';

/** Property of the connect object by which Sluice servers see that a stream came through them already. */
export const VIA_PROPERTY = 'sluiceVia';
/** Features of enhanced RTMP that we read. */
export const OWN_CAPS = CAPS_MULTITRACK | CAPS_MOD_EX;
/** Codecs that we can take from a publisher and pass on. */
export const FOUR_CCS = [
  'avc1',
  'hvc1',
  'av01',
  'vp08',
  'vp09',
  'mp4a',
  'Opus',
  'fLaC',
  'ac-3',
  'ec-3',
  '.mp3',
];

/** What we say of ourselves when we connect to another server. `via`: ids of servers that the stream came through. */
export function connectObject(app: string, tcUrl: string, via: readonly string[]): AmfObject {
  return amfObject({
    app,
    type: 'nonprivate',
    flashVer: 'FMLE/3.0 (compatible; Sluice)',
    tcUrl,
    fourCcList: FOUR_CCS,
    capsEx: OWN_CAPS,
    [VIA_PROPERTY]: via.join(','),
  });
}
