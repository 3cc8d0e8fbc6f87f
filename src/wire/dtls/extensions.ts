/** Extensions of both hellos: the list, and the vectors of numbers in them (RFC 5246 section 7.4.1.4). */
import { ByteReader } from '../../util/byte-reader.ts';
import { ByteWriter } from '../../util/byte-writer.ts';
import { ProtocolError } from '../../util/errors.ts';
import { DTLS_EXTENSION } from './numbers.ts';

/** Browsers send about 20. */
const MAX_EXTENSIONS = 64;
/** Of suites, groups, signature schemes, profiles. Browsers send about 20 of each. */
const MAX_NUMBERS = 512;

/**
 * Calls `visit` for each extension up to the end of `reader`; its reader ends with the extension. None at all is right.
 * Repetitions and cut lists throw a ProtocolError with `errorCode`.
 */
export function readExtensions(
  reader: ByteReader,
  errorCode: string,
  visit: (type: number, content: ByteReader) => void,
): void {
  if (reader.remaining === 0) return;
  const length = reader.u16();
  if (length !== reader.remaining) throw new ProtocolError(errorCode, 'length of the extensions');
  const seen: number[] = [];
  while (reader.remaining > 0) {
    const type = reader.u16();
    const size = reader.u16();
    const start = reader.position;
    reader.skip(size);
    if (seen.includes(type)) throw new ProtocolError(errorCode, `extension ${type} twice`);
    if (seen.length >= MAX_EXTENSIONS) throw new ProtocolError(errorCode, 'too many extensions');
    seen.push(type);
    visit(type, new ByteReader(reader.bytes, errorCode, start, start + size));
  }
}

/** Numbers of two bytes behind their length in two bytes. */
export function readNumbers(reader: ByteReader, errorCode: string): number[] {
  return numbersOf(reader, reader.u16(), errorCode);
}

/** Numbers of two bytes behind their length in one byte. */
export function readShortNumbers(reader: ByteReader, errorCode: string): number[] {
  return numbersOf(reader, reader.u8(), errorCode);
}

function numbersOf(reader: ByteReader, bytes: number, errorCode: string): number[] {
  if (bytes % 2 !== 0 || bytes > 2 * MAX_NUMBERS) throw new ProtocolError(errorCode, 'length of a list');
  const end = reader.position + bytes;
  if (reader.remaining < bytes) throw new ProtocolError(errorCode, 'a list is cut');
  const numbers: number[] = [];
  while (reader.position < end) numbers.push(reader.u16());
  return numbers;
}

/** An extension whose content is a list of two-byte numbers behind a two-byte length. */
export function numbersExtension(writer: ByteWriter, type: number, numbers: readonly number[]): void {
  writer.u16(type).u16(2 + 2 * numbers.length);
  writeNumbers(writer, numbers);
}

/** An extension whose content is bytes behind a one-byte length. */
export function bytesExtension(writer: ByteWriter, type: number, bytes: Uint8Array): void {
  writer.u16(type).u16(1 + bytes.length);
  writer.u8(bytes.length).bytes(bytes);
}

/** use_srtp with an empty key identifier (RFC 5764 section 4.1.1). */
export function srtpExtension(writer: ByteWriter, profiles: readonly number[]): void {
  writer.u16(DTLS_EXTENSION.useSrtp).u16(2 + 2 * profiles.length + 1);
  writeNumbers(writer, profiles);
  writer.u8(0);
}

export function writeNumbers(writer: ByteWriter, numbers: readonly number[]): void {
  writer.u16(2 * numbers.length);
  for (const number of numbers) writer.u16(number);
}

/** The list with its length in front; nothing when `write` writes nothing. */
export function writeExtensions(writer: ByteWriter, write: (writer: ByteWriter) => void): void {
  const extensions = new ByteWriter(128);
  write(extensions);
  if (extensions.length > 0) writer.u16(extensions.length).bytes(extensions.finish());
}
