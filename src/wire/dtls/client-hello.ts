/**
 * ClientHello (RFC 6347 section 4.2.1 with extensions of RFC 8422, 5746, 5764, 7627). Unknown extensions are skipped;
 * tickets, session resumption, ALPN and server names are not read.
 */
import { ByteReader } from '../../util/byte-reader.ts';
import { ByteWriter } from '../../util/byte-writer.ts';
import { ProtocolError } from '../../util/errors.ts';
import {
  bytesExtension,
  numbersExtension,
  readExtensions,
  readNumbers,
  readShortNumbers,
  srtpExtension,
  writeExtensions,
  writeNumbers,
} from './extensions.ts';
import { DTLS_EXTENSION } from './numbers.ts';

export const DTLS_RANDOM_BYTES = 32;
const MAX_SESSION_ID_BYTES = 32;
const CODE = 'dtls.bad-client-hello';

export interface ClientHello {
  readonly version: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  /** Empty in a first hello. */
  readonly cookie: Uint8Array;
  readonly suites: readonly number[];
  /** Null: the extension is not there. */
  readonly supportedVersions: readonly number[] | null;
  readonly groups: readonly number[] | null;
  readonly signatureSchemes: readonly number[] | null;
  readonly srtpProfiles: readonly number[] | null;
  /** EC point formats, one byte each. */
  readonly pointFormats: Uint8Array | null;
  readonly hasExtendedMasterSecret: boolean;
  /** Content of renegotiation_info behind its length. */
  readonly renegotiationInfo: Uint8Array | null;
}

/** What a first fragment holds, views of it. A cookie is made from these. */
export interface ClientHelloFront {
  readonly version: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly cookie: Uint8Array;
  /** Suites and compression methods with their lengths. */
  readonly parameters: Uint8Array;
}

/** The beginning of a hello. Null when the bytes end before the extensions. */
export function readClientHelloFront(bytes: Uint8Array): ClientHelloFront | null {
  if (bytes.length < 2 + DTLS_RANDOM_BYTES + 1) return null;
  const random = bytes.subarray(2, 2 + DTLS_RANDOM_BYTES);
  const sessionAt = 2 + DTLS_RANDOM_BYTES + 1;
  const cookieAt = sessionAt + bytes[sessionAt - 1]! + 1;
  if (cookieAt - sessionAt - 1 > MAX_SESSION_ID_BYTES || bytes.length < cookieAt) return null;
  const suitesAt = cookieAt + bytes[cookieAt - 1]!;
  if (bytes.length < suitesAt + 2) return null;
  const compressionAt = suitesAt + 2 + ((bytes[suitesAt]! << 8) | bytes[suitesAt + 1]!);
  if (bytes.length < compressionAt + 1) return null;
  const end = compressionAt + 1 + bytes[compressionAt]!;
  if (bytes.length < end) return null;
  return {
    version: (bytes[0]! << 8) | bytes[1]!,
    random,
    sessionId: bytes.subarray(sessionAt, cookieAt - 1),
    cookie: bytes.subarray(cookieAt, suitesAt),
    parameters: bytes.subarray(suitesAt, end),
  };
}

/** Throws ProtocolError `dtls.bad-client-hello`. Keeps views of `body`. */
export function parseClientHello(body: Uint8Array): ClientHello {
  const reader = new ByteReader(body, CODE);
  const version = reader.u16();
  const random = reader.view(DTLS_RANDOM_BYTES);
  const sessionIdBytes = reader.u8();
  if (sessionIdBytes > MAX_SESSION_ID_BYTES) throw new ProtocolError(CODE, 'session id too long');
  const sessionId = reader.view(sessionIdBytes);
  const cookie = reader.view(reader.u8());
  const suites = readNumbers(reader, CODE);
  if (suites.length === 0) throw new ProtocolError(CODE, 'no cipher suites');
  const compressions = reader.view(reader.u8());
  if (!compressions.includes(0)) throw new ProtocolError(CODE, 'wants compression');
  let supportedVersions: readonly number[] | null = null;
  let groups: readonly number[] | null = null;
  let signatureSchemes: readonly number[] | null = null;
  let srtpProfiles: readonly number[] | null = null;
  let pointFormats: Uint8Array | null = null;
  let hasExtendedMasterSecret = false;
  let renegotiationInfo: Uint8Array | null = null;
  readExtensions(reader, CODE, (type, content) => {
    switch (type) {
      case DTLS_EXTENSION.supportedVersions:
        supportedVersions = readShortNumbers(content, CODE);
        break;
      case DTLS_EXTENSION.supportedGroups:
        groups = readNumbers(content, CODE);
        break;
      case DTLS_EXTENSION.signatureAlgorithms:
        signatureSchemes = readNumbers(content, CODE);
        break;
      case DTLS_EXTENSION.useSrtp:
        srtpProfiles = readNumbers(content, CODE);
        // The key identifier, which we answer with an empty one.
        content.skip(content.u8());
        break;
      case DTLS_EXTENSION.ecPointFormats:
        pointFormats = content.view(content.u8());
        break;
      case DTLS_EXTENSION.renegotiationInfo:
        renegotiationInfo = content.view(content.u8());
        break;
      case DTLS_EXTENSION.extendedMasterSecret:
        hasExtendedMasterSecret = true;
        break;
      default:
        return;
    }
    if (content.remaining > 0) throw new ProtocolError(CODE, `length of extension ${type}`);
  });
  return {
    version,
    random,
    sessionId,
    cookie,
    suites,
    supportedVersions,
    groups,
    signatureSchemes,
    srtpProfiles,
    pointFormats,
    hasExtendedMasterSecret,
    renegotiationInfo,
  };
}

/** The body. Extensions that are null or false are left out, an empty list of profiles as well. */
export function serializeClientHello(hello: ClientHello): Buffer {
  const writer = new ByteWriter(320);
  writer.u16(hello.version).bytes(hello.random);
  writer.u8(hello.sessionId.length).bytes(hello.sessionId);
  writer.u8(hello.cookie.length).bytes(hello.cookie);
  writeNumbers(writer, hello.suites);
  writer.u8(1).u8(0);
  const { groups, pointFormats, renegotiationInfo, signatureSchemes, srtpProfiles, supportedVersions } =
    hello;
  writeExtensions(writer, (list) => {
    if (renegotiationInfo !== null) bytesExtension(list, DTLS_EXTENSION.renegotiationInfo, renegotiationInfo);
    if (hello.hasExtendedMasterSecret) list.u16(DTLS_EXTENSION.extendedMasterSecret).u16(0);
    if (supportedVersions !== null) {
      list.u16(DTLS_EXTENSION.supportedVersions).u16(1 + 2 * supportedVersions.length);
      list.u8(2 * supportedVersions.length);
      for (const version of supportedVersions) list.u16(version);
    }
    if (groups !== null) numbersExtension(list, DTLS_EXTENSION.supportedGroups, groups);
    if (pointFormats !== null) bytesExtension(list, DTLS_EXTENSION.ecPointFormats, pointFormats);
    if (signatureSchemes !== null)
      numbersExtension(list, DTLS_EXTENSION.signatureAlgorithms, signatureSchemes);
    if (srtpProfiles !== null && srtpProfiles.length > 0) srtpExtension(list, srtpProfiles);
  });
  return writer.finish();
}
