/**
 * The table of what is published how and what comes out of it: html/docs/matrix.md, and html/docs/matrix.html for the
 * manual, both made of cells that a test saw. What a test did not see stays as it is stored.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../../html/docs');
const MARKDOWN = join(FOLDER, 'matrix.md');
const PAGE = join(FOLDER, 'matrix.html');
const TITLE = 'What goes in and what comes out';
const INTRO = [
  'Each line is a stream with these codecs, published in this way; each column is a way to play it.',
  '"as is": players get the very bytes of the encoder. "AAC", "Opus": the picture is as it is, the sound is converted by the server.',
  'A number refers to the reasons below the table. An empty cell is not tested.',
  'The table is written by the test test/interop/publish-matrix.test.ts, which publishes and plays each cell with FFmpeg, or our own client for WHEP.',
];

export interface MatrixCell {
  readonly codecs: string;
  readonly input: string;
  readonly output: string;
  /** `as is`, a codec, `video only`, `sound only`, `no`. */
  readonly text: string;
  /** Why something is left out; '' = nothing is. */
  readonly reason: string;
}

interface Line {
  readonly codecs: string;
  readonly input: string;
  readonly cells: Map<string, string>;
}

export class MatrixPage {
  private readonly outputs: readonly string[];
  private readonly lines = new Map<string, Line>();

  /** `outputs`: names of the columns in their order. */
  constructor(outputs: readonly string[], markdown: string) {
    this.outputs = outputs;
    this.read(markdown);
  }

  static stored(outputs: readonly string[]): MatrixPage {
    return new MatrixPage(outputs, existsSync(MARKDOWN) ? readFileSync(MARKDOWN, 'utf8') : '');
  }

  private read(markdown: string): void {
    const reasons = new Map<string, string>();
    for (const [, number = '', reason = ''] of markdown.matchAll(/^(\d+)\. (.*)$/gm))
      reasons.set(number, reason);
    const rows = markdown.split('\n').filter((line) => line.startsWith('| '));
    const [head = [], , ...body] = rows.map((row) =>
      row
        .slice(2, -2)
        .split(' | ')
        .map((text) => text.trim()),
    );
    for (const [codecs = '', input = '', ...cells] of body)
      for (const [at, cell] of cells.entries()) {
        const [, text = '', number = ''] = /^(.*?)(?: \((\d+)\))?$/.exec(cell) ?? [];
        const output = head[at + 2] ?? '';
        if (text !== '') this.set({ codecs, input, output, text, reason: reasons.get(number) ?? '' });
      }
  }

  set({ codecs, input, output, text, reason }: MatrixCell): void {
    const key = `${codecs} ${input}`;
    const line = this.lines.get(key) ?? { codecs, input, cells: new Map() };
    this.lines.set(key, line);
    line.cells.set(output, reason === '' ? text : `${text}: ${reason}`);
  }

  /** Text and reason of a cell; '' when there is none. */
  get({ codecs, input, output }: Pick<MatrixCell, 'codecs' | 'input' | 'output'>): string {
    return this.lines.get(`${codecs} ${input}`)?.cells.get(output) ?? '';
  }

  /** Puts lines in this order of codecs and inputs, those that are not in it last. */
  sort(codecs: readonly string[], inputs: readonly string[]): void {
    const place = (list: readonly string[], one: string) => (list.includes(one) ? list.indexOf(one) : 1000);
    const sorted = [...this.lines].sort(
      ([, a], [, b]) =>
        place(codecs, a.codecs) - place(codecs, b.codecs) || place(inputs, a.input) - place(inputs, b.input),
    );
    this.lines.clear();
    for (const [key, line] of sorted) this.lines.set(key, line);
  }

  private numbered(): { rows: string[][]; reasons: string[] } {
    const reasons: string[] = [];
    const rows = [...this.lines.values()].map(({ codecs, input, cells }) => [
      codecs,
      input,
      ...this.outputs.map((output) => {
        const [, text = '', reason = ''] = /^(.*?)(?:: (.*))?$/.exec(cells.get(output) ?? '') ?? [];
        if (reason === '') return text;
        if (!reasons.includes(reason)) reasons.push(reason);
        return `${text} (${reasons.indexOf(reason) + 1})`;
      }),
    ]);
    return { rows, reasons };
  }

  markdown(): string {
    const { rows, reasons } = this.numbered();
    const head = ['codecs', 'published by', ...this.outputs];
    const table = [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`);
    const notes = reasons.map((reason, at) => `${at + 1}. ${reason}`);
    return `# ${TITLE}\n\n${INTRO.join('\n')}\n\n${[...table, '', ...notes].join('\n').trim()}\n`;
  }

  html(): string {
    const { rows, reasons } = this.numbered();
    const cells = (row: readonly string[], tag: string) =>
      row.map((text) => `<${tag}>${escaped(text)}</${tag}>`).join('');
    const lines = rows.map((row) => `<tr>${cells(row, 'td')}</tr>`);
    const notes = reasons.map((reason) => `<li>${escaped(reason)}</li>`);
    return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${TITLE}</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<link rel="stylesheet" href="/manual.css">
</head>
<body>
<header class="top">
  <a class="brand" href="/"><img src="/favicon.svg" alt="" width="24" height="24">Sluice</a>
  <nav><a href="/">Streams</a><a href="/docs/">Manual</a></nav>
</header>
<main class="page">
<article class="manual-text">
<h1>${TITLE}</h1>
${INTRO.map((line) => `<p>${escaped(line)}</p>`).join('\n')}
<div class="table-scroll"><table>
<thead><tr>${cells(['codecs', 'published by', ...this.outputs], 'th')}</tr></thead>
<tbody>
${lines.join('\n')}
</tbody>
</table></div>
<ol>
${notes.join('\n')}
</ol>
</article>
</main>
</body>
</html>
`;
  }

  write(): void {
    writeFileSync(MARKDOWN, this.markdown());
    writeFileSync(PAGE, this.html());
  }

  /** Whether the files are what this would write. */
  get isStored(): boolean {
    const stored = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
    return stored(MARKDOWN) === this.markdown() && stored(PAGE) === this.html();
  }
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
