/**
 * Writes what is documented from the schemas of the settings: conf/config.xml, conf/policy.xml and the reference page
 * html/docs/reference.html. `--check` writes nothing and ends with 1 when a file differs from what would be written.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SERVER_SECTIONS } from '../src/config/server-config.ts';
import { metaOf, xmlName } from '../src/config/setting.ts';
import { UNUSED_ELEMENTS, UNUSED_RULE_ELEMENTS } from '../src/config/smart-rtmpd-elements.ts';
import { STREAM_SECTIONS } from '../src/config/stream-policy.ts';
import { channelSection } from '../src/config/stream-source-section.ts';
import { pullSection } from '../src/service/pull/pull-config.ts';
import { recordSection } from '../src/service/record/record-config.ts';
import { forwardSection } from '../src/service/relay/forward-config.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const WIDTH = 110;
/** What a rule of policy.xml may hold. */
const RULE_SECTIONS = [
  ...Object.values(STREAM_SECTIONS),
  forwardSection,
  recordSection,
  channelSection,
  pullSection,
];

const RELOAD_TEXT = { live: 'at once', 'new-sessions': 'for new sessions', restart: 'after a restart' };

function settingsOf(section) {
  return Object.entries(section.fields).map(([key, schema]) => ({
    ...metaOf(schema),
    name: xmlName(key, schema),
  }));
}

function escapeXml(text) {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** One comment, broken into lines. */
function comment(text, indent) {
  const lines = [];
  let line = `${indent}<!--`;
  for (const word of text.split(' ')) {
    if (line.length + word.length + 5 > WIDTH) {
      lines.push(line);
      line = `${indent}    `;
    }
    line += ` ${word}`;
  }
  lines.push(`${line} -->`);
  return lines.join('\n');
}

function sentenceOf(setting) {
  const reload =
    setting.unused === undefined
      ? `Takes effect ${RELOAD_TEXT[setting.reload]}.`
      : `Not used by this version: ${setting.unused}.`;
  return `${setting.text} (${setting.range}) ${reload}`;
}

function renderConfigXml() {
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    comment('The server: ports, certificates, limits, log. Streams have their rules in policy.xml.', ''),
    comment(
      'Every setting is here with its default, so each line may be left out. A setting may also be written as an ' +
        'attribute (<http port="8080"/>), with _ instead of -, or come from the environment: SLUICE_HTTP_PORT=8080. ' +
        '"sluice check" tells what is wrong and prints what is in force. A reload (SIGHUP) puts into effect what can be.',
      '',
    ),
    '<config>',
  ];
  for (const section of Object.values(SERVER_SECTIONS)) {
    const settings = settingsOf(section).filter((setting) => setting.unused === undefined);
    if (settings.length === 0) continue;
    lines.push('', comment(section.text, '  '), `  <${section.name}>`);
    for (const setting of settings) {
      lines.push(comment(sentenceOf(setting), '    '));
      lines.push(`    <${setting.name}>${escapeXml(setting.defaultText)}</${setting.name}>`);
    }
    lines.push(`  </${section.name}>`);
  }
  lines.push('</config>', '');
  return lines.join('\n');
}

const POLICY_EXAMPLES = `
  <!-- Forward every stream of live to a second server, under the same name:

  <application name="live">
    <forward>192.0.2.10</forward>
  </application>

  Open one more application, or all of them:

  <application name="sport"/>
  <application name="*"/>

  Settings for some streams of an application; * stands for any characters:

  <application name="live">
    <play latency="low"/>
    <stream name="cam*">
      <publish busy="takeover" grace="30s"/>
    </stream>
  </application>

  Record every stream of live as fMP4 files of ten minutes for a week, and one of them also as FLV per session:

  <application name="live">
    <record format="fmp4" duration="10m" max-age="7d"/>
    <stream name="cam1">
      <record format="flv" plan="session" path="flv/[stream]/[2006]-[01]-[02] [15].[04].[05]"/>
    </stream>
  </application>

  A live channel out of files in the vod folder, round and round; a playlist names one file a line:

  <stream name="live/channel" source="vod:list.m3u" loop="on"/>

  A camera that is pulled while somebody watches, with a second source in reserve; and a whole server as origin:

  <stream name="live/yard" on-demand="on" close-after="20s">
    <source url="rtsp://viewer:secret@192.0.2.20/main" transport="tcp"/>
    <source url="rtmp://192.0.2.21/live/yard" priority="1"/>
  </stream>
  <stream name="live/edge-*" source="rtmp://192.0.2.30/live/$1"/>

  A second encoder stands by, the one at 192.0.2.40 is preferred, and viewers see a clip when both are gone:

  <stream name="live/show">
    <publish busy="standby" failover="2s" prefer="192.0.2.40"/>
    <slate source="vod:back-soon.mp4"/>
  </stream>

  Rules of smart_rtmpd, as they are. The host is the one that the publisher typed, * fits all:

  <vhosts>
    <vhost name="rtmp://a.example/live">
      <forward rewrite="">10.0.0.2</forward>
      <forward rewrite="rtmps://b.example:1936/sport">10.0.0.3:1936</forward>
    </vhost>
  </vhosts>
  <urls>
    <url name="rtmp://a.example/live/cam1">
      <forward rewrite="rtmp://c.example/live/other">198.51.100.9:1935</forward>
    </url>
  </urls>
  -->`;

function renderPolicyXml() {
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    comment('Rules for streams. The server itself is set up in config.xml.', ''),
    comment(
      'The applications live and rec exist without a rule; others need an <application>. Rules may stand in any order. ' +
        'For one stream, all rules that fit count, setting by setting: application, then vhost, then stream, then url; ' +
        'a later one of these wins, and of two of a kind the one that names more. Forwards and recordings of all of them add up.',
      '',
    ),
    '<policy>',
    POLICY_EXAMPLES.slice(1),
    '',
    comment('What a rule may hold, with the defaults:', '  '),
  ];
  for (const section of RULE_SECTIONS) {
    const settings = settingsOf(section);
    const attributes = settings.map((setting) => ` ${setting.name}="${setting.defaultText}"`).join('');
    const element =
      section === forwardSection
        ? `<forward${attributes}>192.0.2.10:1935</forward>`
        : section === channelSection
          ? `<stream name="live/channel"${attributes}/>`
          : section === pullSection
            ? `<stream name="live/pulled"><source${attributes.replace('url=""', 'url="rtsp://192.0.2.20/main"')}/></stream>`
            : `<${section.name}${attributes}/>`;
    lines.push('', `  <!-- ${element}`, ...wrap(section.text, '       '));
    for (const setting of settings)
      lines.push(...wrap(`${setting.name}: ${sentenceOf(setting)}`, '         '));
    lines[lines.length - 1] += ' -->';
  }
  lines.push('', '</policy>', '');
  return lines.join('\n');
}

function wrap(text, indent) {
  const lines = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > WIDTH && line.trim() !== '') {
      lines.push(line);
      line = `${indent}  `;
    }
    line += line.trim() === '' ? word : ` ${word}`;
  }
  lines.push(line);
  return lines;
}

const element = (name) => `<code>&lt;${name}&gt;</code>`;

function table(section, variable) {
  const rows = settingsOf(section).map((setting) => {
    const cells = [
      `<code>${setting.name}</code>`,
      setting.defaultText === '' ? '(empty)' : `<code>${escapeXml(setting.defaultText)}</code>`,
      escapeXml(setting.range),
      escapeXml(setting.text) +
        (setting.unused === undefined
          ? ''
          : ` <em>Not used by this version: ${escapeXml(setting.unused)}.</em>`),
      RELOAD_TEXT[setting.reload],
    ];
    if (variable)
      cells.push(
        `<code>SLUICE_${section.name.toUpperCase()}_${setting.name.toUpperCase().replaceAll('-', '_')}</code>`,
      );
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  const anchor = anchorOf(section, variable);
  const head = [
    'Setting',
    'Default',
    'Values',
    'Meaning',
    'Takes effect',
    ...(variable ? ['Environment'] : []),
  ];
  return [
    `<h3 id="${anchor}">${element(section.name)}</h3>`,
    `<p>${escapeXml(section.text)}</p>`,
    '<div class="table-scroll"><table>',
    `<thead><tr>${head.map((cell) => `<th scope="col">${cell}</th>`).join('')}</tr></thead>`,
    '<tbody>',
    ...rows,
    '</tbody>',
    '</table></div>',
  ].join('\n');
}

/** `<srt>` stands in both files. */
function anchorOf({ name }, isServer) {
  return !isServer && Object.hasOwn(SERVER_SECTIONS, name) ? `stream-${name}` : name;
}

function acceptedRows() {
  const rows = [];
  for (const section of Object.values(SERVER_SECTIONS)) {
    for (const [name, path] of Object.entries(section.streamDefaults)) {
      const [target, key] = path.split('.');
      const spelling = xmlName(key, STREAM_SECTIONS[target].fields[key]);
      rows.push([
        `config.xml ${section.name}/${name}`,
        `default of <${target} ${spelling}="…"> for every stream`,
      ]);
    }
    for (const [alias, name] of Object.entries(section.aliases))
      rows.push([`config.xml ${section.name}/${alias}`, `the same as ${name}`]);
    for (const [name, reason] of Object.entries(section.unused))
      rows.push([`config.xml ${section.name}/${name}`, `not used by this version: ${reason}`]);
  }
  for (const [name, { names, reason }] of Object.entries(UNUSED_ELEMENTS)) {
    rows.push([`config.xml ${[name, ...names].join(', ')}`, `not used by this version: ${reason}`]);
  }
  rows.push(['config.xml vhosts', 'the same as vhosts in policy.xml']);
  rows.push([
    'policy.xml vhost/rewrite, url/rewrite',
    'rewrite of every forward beside it that has none of its own',
  ]);
  rows.push(['policy.xml vhost/hashls, url/hashls', 'the same as <hls enable="…">']);
  for (const [name, reason] of Object.entries(UNUSED_RULE_ELEMENTS)) {
    rows.push([`policy.xml vhost/${name}, url/${name}`, `not used by this version: ${reason}`]);
  }
  return rows;
}

function indexOf(sections, isServer) {
  return sections
    .map((section) => `  <a class="part" href="#${anchorOf(section, isServer)}">${element(section.name)}</a>`)
    .join('\n');
}

function renderReferencePage() {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Configuration reference - Sluice</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<link rel="stylesheet" href="/manual.css">
</head>
<body>
<header class="top">
  <a class="brand" href="/"><img src="/favicon.svg" alt="" width="24" height="24">Sluice</a>
  <nav><a href="/">Streams</a><a href="/docs/">Manual</a><a href="/docs/zh.html" lang="zh-Hans">中文</a></nav>
</header>
<main class="page manual reference">
<nav class="manual-index" aria-label="Contents">
  <a href="#config">config.xml</a>
${indexOf(Object.values(SERVER_SECTIONS), true)}
  <a href="#policy">policy.xml</a>
${indexOf(RULE_SECTIONS, false)}
  <a href="#smart_rtmpd">Files of smart_rtmpd</a>
</nav>
<article class="manual-text">
<h1>Configuration reference</h1>
<p>Two files in the folder <code>conf</code>: <code>config.xml</code> sets up the server, <code>policy.xml</code> has rules for streams. Every setting has a default, so both may be empty. <code>sluice check</code> tells what is wrong with them, with file, line and column, and prints what is in force and where each value comes from. A reload (<code>SIGHUP</code>) reads both again; a wrong file changes nothing.</p>
<p>A setting may be a child element or an attribute, and <code>chunk_size</code> is the same as <code>chunk-size</code>. Switches take <code>on</code>, <code>off</code>, <code>true</code> and <code>false</code>. Durations are written <code>500ms</code>, <code>10s</code>, <code>2m</code>, <code>1h</code>; sizes <code>64K</code>, <code>8M</code>, <code>1G</code>. Settings of <code>config.xml</code> can also come from the environment, which wins over the file.</p>

<h2 id="config">config.xml</h2>
<p>The outermost element is ${element('config')}.</p>
${Object.values(SERVER_SECTIONS)
  .map((section) => table(section, true))
  .join('\n')}

<h2 id="policy">policy.xml</h2>
<p>The outermost element is ${element('policy')}. Rules in it:</p>
<div class="table-scroll"><table>
<thead><tr><th scope="col">Rule</th><th scope="col">Fits</th></tr></thead>
<tbody>
<tr><td><code>&lt;application name="live"&gt;</code></td><td>Every stream of the application, and of <code>live/…</code> below it. It also allows the application; <code>live</code> and <code>rec</code> are allowed without one, <code>name="*"</code> allows all.</td></tr>
<tr><td><code>&lt;vhost name="rtmp://host/app"&gt;</code></td><td>The streams of an application that were published under this host name. May stand in ${element('vhosts')}.</td></tr>
<tr><td><code>&lt;stream name="cam*"&gt;</code></td><td>Inside an application: its streams of this name.</td></tr>
<tr><td><code>&lt;url name="rtmp://host/app/stream"&gt;</code></td><td>One stream. May stand in ${element('urls')}.</td></tr>
</tbody>
</table></div>
<p>In hosts, applications and streams <code>*</code> stands for any characters. The port of a host is not compared. All rules that fit a stream count, setting by setting: <code>url</code> wins over <code>stream</code>, that over <code>vhost</code>, that over <code>application</code>; of two of a kind the one wins that names more. Their forwards add up, each target once, and so do their recordings, each name once.</p>
<p>Every rule may hold these elements:</p>
${RULE_SECTIONS.map((section) => table(section, false)).join('\n')}

<h2 id="smart_rtmpd">Files of smart_rtmpd</h2>
<p>Its <code>config.xml</code> and <code>policy.xml</code> can be used as they are. What this version does not use is accepted and named in a warning at the start:</p>
<div class="table-scroll"><table>
<thead><tr><th scope="col">Element</th><th scope="col">Here</th></tr></thead>
<tbody>
${acceptedRows()
  .map(([name, meaning]) => `<tr><td><code>${escapeXml(name)}</code></td><td>${escapeXml(meaning)}</td></tr>`)
  .join('\n')}
</tbody>
</table></div>
</article>
</main>
</body>
</html>
`;
}

const FILES = {
  'conf/config.xml': renderConfigXml,
  'conf/policy.xml': renderPolicyXml,
  'html/docs/reference.html': renderReferencePage,
};

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const differing = [];
for (const [name, render] of Object.entries(FILES)) {
  const path = join(ROOT, name);
  const text = render();
  if (read(path) === text) continue;
  differing.push(name);
  if (!process.argv.includes('--check')) writeFileSync(path, text);
}
if (process.argv.includes('--check') && differing.length > 0) {
  process.stderr.write(`${differing.join(', ')}: not what build/policy-docs.mjs writes; run it.\n`);
  process.exitCode = 1;
} else if (differing.length > 0) process.stdout.write(`wrote ${differing.join(', ')}\n`);
