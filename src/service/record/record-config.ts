/**
 * `<record>` of policy.xml: what is recorded of a stream; may stand several times. `<rec>` and `<s3>` of config.xml:
 * where recordings lie, how long they are kept, and where finished files are sent.
 */
import { choice, duration, integer, section, size, text, toggle } from '../../config/setting.ts';

/** Names of variables in a path, as `[name]`; those of dates are Go's reference time. */
const PATH_VARIABLES = [
  'vhost',
  'app',
  'stream',
  'seq',
  'timestamp',
  'duration',
  '2006',
  '01',
  '02',
  '15',
  '04',
  '05',
  '999',
] as const;

/** `[variable]` and `%x`, one after the other, with the text between them. */
const PATH_TEXT = new RegExp(`^(?:\\[(?:${PATH_VARIABLES.join('|')})\\]|%(?:path|[YmdHMSfs])|[^[\\]%])*$`);
/** Levels that are safe on every system whatever the variables stand for. */
const PATH_SHAPE = /^(?!\/)(?!.*\/\/)(?!.*\/$)(?!\.)(?!.*\/\.)(?!.*[<>:"|?*\\\p{Cc}])(?!.*[. ](?:\/|$))/u;

export const recordSection = section({
  name: 'record',
  text:
    'Records the stream. Any number, each with its own name; streams of the application rec are recorded as hls ' +
    'without one.',
  fields: {
    enable: choice(['on', 'off', 'manual'], 'on', {
      text:
        'off takes back the recording of this name of a wider rule; without a name and format it takes back all of ' +
        'them. manual: it runs when the API starts it.',
      reload: 'live',
    }),
    name: text(
      '',
      {
        pattern: /^[\w.-]{0,64}$/,
        phrase: 'is not a name of letters, digits, dots, hyphens and underscores',
        range: 'up to 64 letters and digits; empty = the format',
      },
      { text: 'Tells the recordings of a stream apart, also in the API.', reload: 'live' },
    ),
    format: choice(['hls', 'fmp4', 'ts', 'flv'], 'hls', {
      text: 'hls: lists with MPEG-TS files beside them. fmp4, ts and hls survive a power cut.',
      reload: 'live',
    }),
    plan: choice(['segment', 'session', 'append'], 'segment', {
      text:
        'segment: a new file after each duration, at a key frame. session: a file from publish to unpublish. append: ' +
        'one file that goes on at the next publish (with hls: as session).',
      reload: 'live',
    }),
    durationMs: duration(
      '0',
      { min: '0', max: '24h', bareUnitMs: 1000 },
      {
        xml: 'duration',
        text: 'Length of a file (of a list with hls) when the plan is segment; 0 = as period of rec says.',
        reload: 'live',
      },
    ),
    path: text(
      '',
      {
        pattern: new RegExp(`${PATH_SHAPE.source}${PATH_TEXT.source.slice(1)}`, 'u'),
        phrase:
          'is not a relative path such as [app]/[stream]/[2006]-[01]-[02]/[15]-[04]-[05] ' +
          `(variables: ${PATH_VARIABLES.map((name) => `[${name}]`).join(' ')})`,
        range:
          'a path inside the folder of recordings, without extension; empty = by application, stream and time',
      },
      {
        text: '[vhost] [app] [stream] [seq] [timestamp] [duration] [2006] [01] [02] [15] [04] [05] [999], or %Y %m %d %H %M %S %f %s %path.',
        reload: 'live',
      },
    ),
    maxAgeMs: duration(
      '0',
      { min: '0', max: '36500d' },
      {
        xml: 'max-age',
        text: 'Files older than this are removed; 0 = as max-age of rec says.',
        reload: 'live',
      },
    ),
    waitKey: toggle(true, {
      text: 'Whether a recording waits for a key frame before it begins.',
      reload: 'live',
    }),
    upload: toggle(true, {
      text: 'Whether finished files are sent to the storage of s3, when one is set up.',
      reload: 'live',
    }),
  },
});

type RecordFormat = 'hls' | 'fmp4' | 'ts' | 'flv';
export type RecordPlan = 'segment' | 'session' | 'append';

/** One recording as the policy or the API wants it. Times in milliseconds. */
export interface RecordRule {
  readonly enable: 'on' | 'off' | 'manual';
  /** Unique among the recordings of a stream. */
  readonly name: string;
  readonly format: RecordFormat;
  readonly plan: RecordPlan;
  /** 0 = as the server's setting. */
  readonly durationMs: number;
  /** Without extension; '' = the usual place. */
  readonly path: string;
  /** 0 = as the server's setting. */
  readonly maxAgeMs: number;
  readonly waitKey: boolean;
  readonly upload: boolean;
}

/** Settings of one `<record>`, and of wider ones of the same name before it, to a rule. */
export function makeRecordRule(values: Readonly<Record<string, unknown>>): RecordRule {
  const rule = Object.assign(recordSection.schema.parse({}), values);
  // A list cannot go on: every session has its own.
  const plan = rule.format === 'hls' && rule.plan === 'append' ? 'session' : rule.plan;
  return Object.freeze({ ...rule, plan, name: rule.name === '' ? rule.format : rule.name });
}

/** Its streams are recorded without a rule. */
export const REC_APP = 'rec';

const FOLDER = {
  pattern: /^[^\0]+$/,
  phrase: 'is not the name of a folder',
  range: 'a folder, relative to the one of the executable',
};

export const recSection = section({
  name: 'rec',
  text: 'Recordings: where they lie and how long they are kept. What is recorded stands in policy.xml (record).',
  fields: {
    enable: toggle(true, { text: 'Whether anything is recorded at all.', reload: 'live' }),
    dir: text('rec', FOLDER, { text: 'Folder of the recordings.', reload: 'restart' }),
    period: duration(
      '3m',
      { min: '1s', max: '24h', bareUnitMs: 60_000 },
      {
        text: 'Length of a file (of a list with hls) where the rule does not say it. A number alone counts minutes.',
        reload: 'live',
      },
    ),
    maxAge: duration(
      '0',
      { min: '0', max: '36500d' },
      { text: 'Recordings older than this are removed; 0 = none is too old.', reload: 'live' },
    ),
    maxSize: size(
      '0',
      { min: '0', max: '1048576G' },
      {
        text: 'When all recordings together are larger, the oldest are removed; 0 = no limit.',
        reload: 'live',
      },
    ),
    minFree: size(
      '0',
      { min: '0', max: '1048576G' },
      {
        text: 'When less than this is free on the disk, the oldest recordings are removed; 0 = never.',
        reload: 'live',
      },
    ),
    goodFree: size(
      '0',
      { min: '0', max: '1048576G' },
      {
        text: 'They are removed until so much is free; 0 = a tenth more than min-free.',
        reload: 'live',
      },
    ),
    backlog: size(
      '16M',
      { min: '1M', max: '1G' },
      {
        text: 'Bytes of one file that may wait for a slow disk. What does not fit is a gap in the recording.',
        reload: 'new-sessions',
      },
    ),
    sync: duration(
      '10s',
      { min: '0', max: '1h' },
      {
        text: 'How often what was written is forced to the disk, against a power cut; 0 = when the system likes.',
        reload: 'new-sessions',
      },
    ),
    control: choice(['local', 'all', 'off'], 'local', {
      text: 'Who may start, stop and delete recordings by the API: programs on this machine, all, nobody.',
      reload: 'live',
    }),
  },
});

const ANY_TEXT = { pattern: /^[^\p{Cc}]*$/u, phrase: 'holds control characters' };

export const s3Section = section({
  name: 's3',
  text: 'Storage that speaks the protocol of S3: finished recordings are sent there.',
  fields: {
    endpoint: text(
      '',
      {
        pattern: /^(https?:\/\/[\w.-]+(:\d{1,5})?\/?|https?:\/\/\[[0-9a-fA-F:]+\](:\d{1,5})?\/?|)$/,
        phrase: 'is not a URL such as https://s3.eu-central-1.amazonaws.com',
        range: 'http:// or https:// URL without path; empty = nothing is sent',
      },
      { text: 'Address of the storage.', reload: 'live' },
    ),
    bucket: text(
      '',
      {
        pattern: /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|)$/,
        phrase: 'is not the name of a bucket',
        range: '3 to 63 small letters, digits, dots and hyphens',
      },
      { text: 'Bucket; it stands first in the path of the requests.', reload: 'live' },
    ),
    region: text(
      'us-east-1',
      { ...ANY_TEXT, range: 'a region' },
      { text: 'Region that is signed for.', reload: 'live' },
    ),
    key: text('', { ...ANY_TEXT, range: 'text' }, { text: 'Access key id.', reload: 'live' }),
    secret: text(
      '',
      { ...ANY_TEXT, range: 'text' },
      { text: 'Secret access key. It is never printed.', reload: 'live', secret: true },
    ),
    prefix: text(
      '',
      {
        pattern: /^([^/\p{Cc}][^\p{Cc}]*)?$/u,
        phrase: 'is not a prefix such as sluice/ (no slash in front)',
        range: 'text',
      },
      { text: 'Put before the path of each file.', reload: 'live' },
    ),
    deleteAfter: toggle(false, {
      text: 'Whether a file is removed here when the storage has it.',
      reload: 'live',
    }),
    jobs: integer(2, { min: 1, max: 16 }, { text: 'Files sent at the same time.', reload: 'live' }),
    queue: integer(
      10_000,
      { min: 10, max: 1_000_000 },
      { text: 'Files that may wait; further ones are not sent.', reload: 'live' },
    ),
  },
});
