/**
 * `node build/icon.mjs [chromium]`: html/favicon.svg -> release/sluice.ico, what Windows shows for sluice.exe. To be run
 * when the drawing changes; the result is kept, because a release has to be possible without a browser.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { root } from './install.mjs';

const SIZES = [16, 24, 32, 48, 64, 256];
const HEADER_BYTES = 6;
const ENTRY_BYTES = 16;

const browser = await chromium.launch({
  executablePath: process.argv[2] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
const page = await browser.newPage();
const svg = readFileSync(join(root, 'html', 'favicon.svg'), 'utf8');
const images = [];
for (const size of SIZES) {
  await page.setViewportSize({ width: size, height: size });
  const sized = svg.replace('<svg ', `<svg width="${size}" height="${size}" style="display:block" `);
  await page.setContent(`<body style="margin:0">${sized}</body>`);
  images.push(await page.screenshot({ omitBackground: true }));
}
await browser.close();
const path = join(root, 'release', 'sluice.ico');
writeFileSync(path, icoOf(images));
console.log(`${path}: ${SIZES.join(', ')} pixels`);

/** ICO with PNG inside, which Windows reads since Vista: ICONDIR, one ICONDIRENTRY each, the images. */
function icoOf(pngs) {
  const header = Buffer.alloc(HEADER_BYTES + ENTRY_BYTES * pngs.length);
  header.writeUInt16LE(1, 2);
  header.writeUInt16LE(pngs.length, 4);
  let offset = header.length;
  pngs.forEach((png, index) => {
    const at = HEADER_BYTES + ENTRY_BYTES * index;
    // 256 does not fit into a byte and is written as 0.
    header[at] = SIZES[index] & 0xff;
    header[at + 1] = SIZES[index] & 0xff;
    header.writeUInt16LE(1, at + 4);
    header.writeUInt16LE(32, at + 6);
    header.writeUInt32LE(png.length, at + 8);
    header.writeUInt32LE(offset, at + 12);
    offset += png.length;
  });
  return Buffer.concat([header, ...pngs]);
}
