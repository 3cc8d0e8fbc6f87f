/**
 * Elements of smart_rtmpd's config.xml whose feature this version does not have. They are accepted, so that an
 * existing file can be used, and each yields a warning.
 */

interface UnusedElement {
  /** Attributes and children, plain names. */
  readonly names: readonly string[];
  readonly reason: string;
}

const NO_AUTH = 'it asks no server for permission, so everybody may publish and play';

export const UNUSED_ELEMENTS: Readonly<Record<string, UnusedElement>> = {
  authurl: { names: ['timeout', 'router'], reason: NO_AUTH },
  elapse: { names: [], reason: 'it has no timing trace' },
  natmap: { names: [], reason: 'public addresses stand in <nat>' },
  hostmap: { names: ['inner', 'outer'], reason: 'public addresses stand in <nat>' },
  global: { names: ['auth-url', 'rtp-min', 'rtp-max'], reason: `${NO_AUTH}; UDP ports stand in <rtp>` },
};

/** Children of a vhost or url in old builds: outputs that this version does not have, or always has. */
export const UNUSED_RULE_ELEMENTS: Readonly<Record<string, string>> = {
  hasflv: 'FLV is always served',
  hasdash: 'it has no DASH',
  hasrtsp: 'RTSP is always served',
};
