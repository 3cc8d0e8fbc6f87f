/**
 * Opus over RTP: RFC 7587. One packet of the codec is one payload; the clock is 48000 Hz and the mapping says two
 * channels whatever is inside. Leaves out: more than two channels (`multiopus`, which only Chromium knows).
 */
import { type CodecConfig, makeCodecConfig } from '../../codec/codec-config.ts';
import { OPUS_SAMPLE_RATE, opusPacketDuration } from '../../codec/opus.ts';
import type {
  RtpDepacketizer,
  RtpPacketizer,
  RtpPayloadFormat,
  RtpPayloadTarget,
  RtpUnitOutput,
} from './payload-format.ts';

const NO_RECORD = new Uint8Array(0);
const MOST_CHANNELS = 2;

export const OPUS_PAYLOAD: RtpPayloadFormat = {
  codec: 'opus',
  encodingNames: ['OPUS'],
  describe: ({ channels }) => {
    if (channels > MOST_CHANNELS) return null;
    const fmtp = channels === 2 ? 'sprop-stereo=1' : '';
    return { payloadType: -1, encodingName: 'opus', clockRate: OPUS_SAMPLE_RATE, channels: 2, fmtp };
  },
  packetizer: (_config, maxPayload) => new OpusPacketizer(maxPayload),
  // The packets themselves say whether they are stereo; what is told may be wrong in both directions.
  config: ({ fmtp }) => {
    const told = fmtp.get('sprop-stereo');
    if (told !== '1' && told !== '0') return null;
    const channels = told === '1' ? 2 : 1;
    return makeCodecConfig('opus', NO_RECORD, 'opus', { sampleRate: OPUS_SAMPLE_RATE, channels });
  },
  depacketizer: () => new OpusDepacketizer(),
};

class OpusPacketizer implements RtpPacketizer {
  private readonly maxPayload: number;

  constructor(maxPayload: number) {
    this.maxPayload = maxPayload;
  }

  /** The payload format knows no fragments; a packet that is too long (over 500 kbit/s) is left out. */
  packetize(payload: Uint8Array, _flags: number, _config: CodecConfig, target: RtpPayloadTarget): void {
    const { length } = payload;
    if (length === 0 || length > this.maxPayload) return;
    const to = target.begin(length, false, 0);
    target.bytes.set(payload, to);
  }
}

class OpusDepacketizer implements RtpDepacketizer {
  damaged: number;

  constructor() {
    this.damaged = 0;
  }

  push(
    payload: Uint8Array,
    timestamp: number,
    _marker: boolean,
    _isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void {
    if (opusPacketDuration(payload) === 0) this.damaged++;
    else output.unit(payload, timestamp, false);
  }

  flush(): void {
    // No packet waits for another.
  }
}
