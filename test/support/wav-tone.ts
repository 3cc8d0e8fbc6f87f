/** A tone as a WAV file, stereo, 48 kHz, 16 bits. */
const RATE = 48_000;
const HEADER_BYTES = 44;
const FRAME_BYTES = 4;

export function wavTone(frequency: number, seconds: number): Buffer {
  const frames = Math.round(seconds * RATE);
  const file = Buffer.alloc(HEADER_BYTES + frames * FRAME_BYTES);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(file.length - 8, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(2, 22);
  file.writeUInt32LE(RATE, 24);
  file.writeUInt32LE(RATE * FRAME_BYTES, 28);
  file.writeUInt16LE(FRAME_BYTES, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(frames * FRAME_BYTES, 40);
  for (let i = 0; i < frames; i++) {
    const value = Math.round(12_000 * Math.sin((2 * Math.PI * frequency * i) / RATE));
    file.writeInt16LE(value, HEADER_BYTES + i * FRAME_BYTES);
    file.writeInt16LE(value, HEADER_BYTES + i * FRAME_BYTES + 2);
  }
  return file;
}
