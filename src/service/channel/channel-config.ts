/** `source="vod:…"` of `<stream>` in policy.xml: files as a live channel. */

/** A channel as a rule has it. */
export interface ChannelRule {
  /** `application/stream`. */
  readonly stream: string;
  /** Name of the file in the vod folder. */
  readonly file: string;
  readonly loop: boolean;
  readonly onDemand: boolean;
  /** `conf/policy.xml:6:7`. */
  readonly where: string;
}

export const VOD_SOURCE = 'vod:';
