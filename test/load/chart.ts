/**
 * Draws results as one SVG file: per case a group of bars for CPU seconds per delivered Gbit and one for
 * the median delay. Plain shapes and text, colours that carry on white and on dark pages, no script.
 */
import type { BenchCase } from './cases.ts';
import { caseTitle } from './report.ts';
import type { Result } from './result.ts';

const WIDTH = 860;
const MARGIN = 16;
const LABEL_WIDTH = 150;
const VALUE_WIDTH = 74;
const BAR_HEIGHT = 18;
const BAR_GAP = 6;
const TITLE_HEIGHT = 30;
const PANEL_GAP = 24;
const GROUP_GAP = 26;

/** Names as readers know them, in the order of drawing. */
const LABELS: Readonly<Record<string, string>> = {
  sluice: 'Sluice',
  nginx: 'nginx-rtmp',
  nms2: 'node-media-server 2',
  nms4: 'node-media-server 4',
  bare: 'bare C loop',
};

const STYLE = `text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #57606a; }
.title { font-size: 14px; font-weight: 600; fill: #24292f; }
.own { fill: #1f883d; } .peer { fill: #8c959f; } .floor { fill: #bf8700; }
.rule { stroke: #d0d7de; }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1; } .title { fill: #e6edf3; } .own { fill: #3fb950; } .peer { fill: #656c76; }
  .floor { fill: #d29922; } .rule { stroke: #3d444d; }
}`;

interface Bar {
  readonly peer: string;
  readonly value: number;
  readonly text: string;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function panel(x: number, y: number, width: number, heading: string, bars: readonly Bar[]): string {
  const longest = Math.max(...bars.map((bar) => bar.value), Number.MIN_VALUE);
  const room = width - LABEL_WIDTH - VALUE_WIDTH;
  const parts = [`<text x="${x}" y="${y}">${escapeXml(heading)}</text>`];
  bars.forEach((bar, index) => {
    const top = y + 10 + index * (BAR_HEIGHT + BAR_GAP);
    const length = Math.max(1.5, (bar.value / longest) * room);
    const base = top + BAR_HEIGHT - 5;
    const kind = bar.peer === 'sluice' ? 'own' : bar.peer === 'bare' ? 'floor' : 'peer';
    parts.push(
      `<text x="${x + LABEL_WIDTH - 8}" y="${base}" text-anchor="end">${escapeXml(LABELS[bar.peer] ?? bar.peer)}</text>`,
      `<rect class="${kind}" x="${x + LABEL_WIDTH}" y="${top}" width="${length.toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>`,
      `<text x="${(x + LABEL_WIDTH + length + 6).toFixed(1)}" y="${base}">${bar.text}</text>`,
    );
  });
  return parts.join('\n');
}

function bars(
  results: readonly Result[],
  measure: (result: Result) => number | undefined,
  text: (value: number) => string,
): Bar[] {
  const order = Object.keys(LABELS);
  const rank = (peer: string): number => (order.includes(peer) ? order.indexOf(peer) : order.length);
  return [...results]
    .sort((a, b) => rank(a.peer) - rank(b.peer))
    .flatMap((result) => {
      const value = measure(result);
      return value === undefined ? [] : [{ peer: result.peer, value, text: text(value) }];
    });
}

/** The whole drawing; cases without a result, or of another kind than players or publishers, are left out. */
export function drawChart(cases: readonly BenchCase[], results: readonly Result[], date: string): string {
  const half = (WIDTH - 2 * MARGIN - PANEL_GAP) / 2;
  const body: string[] = [];
  let y = MARGIN;
  for (const benchCase of cases) {
    const own = results.filter((result) => result.case === benchCase.name);
    if (own.length === 0 || benchCase.kind === 'start') continue;
    const isPush = benchCase.kind === 'push';
    const left = isPush
      ? bars(
          own,
          (result) => result.cpuPercent,
          (value) => `${value.toFixed(0)} %`,
        )
      : bars(
          own,
          (result) => result.cpuSecondsPerGbit,
          (value) => value.toFixed(2),
        );
    const right = isPush
      ? bars(
          own,
          (result) => result.kibPerConnection,
          (value) => `${value.toFixed(0)} KiB`,
        )
      : bars(
          own,
          (result) => result.delayP50Ms,
          (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`,
        );
    if (y > MARGIN)
      body.push(`<line class="rule" x1="${MARGIN}" x2="${WIDTH - MARGIN}" y1="${y}" y2="${y}"/>`);
    body.push(`<text class="title" x="${MARGIN}" y="${y + 22}">${escapeXml(caseTitle(benchCase))}</text>`);
    const top = y + TITLE_HEIGHT + 16;
    const headings = isPush
      ? ['CPU of one core', 'memory per publisher']
      : ['CPU seconds per delivered Gbit', 'median delay from publisher to player'];
    body.push(panel(MARGIN, top, half, headings[0]!, left));
    body.push(panel(MARGIN + half + PANEL_GAP, top, half, headings[1]!, right));
    y = top + Math.max(left.length, right.length) * (BAR_HEIGHT + BAR_GAP) + GROUP_GAP;
  }
  const footer = `npm run bench, ${date}; one core per server, shorter is better`;
  body.push(`<text x="${MARGIN}" y="${y + 6}">${escapeXml(footer)}</text>`);
  const height = y + MARGIN + 6;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="CPU and delay of streaming servers under load">
<style>${STYLE}</style>
${body.join('\n')}
</svg>
`;
}
