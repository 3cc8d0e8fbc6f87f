/** ServerHello (RFC 5246 section 7.4.1.3 with extensions of RFC 8422, 5746, 5764, 7627). */
import { ByteReader } from '../../util/byte-reader.ts';
import { ByteWriter } from '../../util/byte-writer.ts';
import { ProtocolError } from '../../util/errors.ts';
import { DTLS_RANDOM_BYTES } from './client-hello.ts';
import { bytesExtension, readExtensions, readNumbers, srtpExtension, writeExtensions } from './extensions.ts';
import { DTLS_EXTENSION } from './numbers.ts';

const CODE = 'dtls.bad-server-hello';
/** The point format that every curve has. */
const UNCOMPRESSED_ONLY = Uint8Array.of(0);

export interface ServerHello {
  readonly version: number;
  readonly random: Uint8Array;
  readonly suite: number;
  /** 0: none. */
  readonly srtpProfile: number;
  readonly hasPointFormats: boolean;
  readonly hasExtendedMasterSecret: boolean;
  readonly renegotiationInfo: Uint8Array | null;
  /** First extension of a type that we never ask for, -1 without one. */
  readonly unknownExtension: number;
}

/** Throws ProtocolError `dtls.bad-server-hello`. Keeps views of `body`. */
export function parseServerHello(body: Uint8Array): ServerHello {
  const reader = new ByteReader(body, CODE);
  const version = reader.u16();
  const random = reader.view(DTLS_RANDOM_BYTES);
  reader.skip(reader.u8());
  const suite = reader.u16();
  if (reader.u8() !== 0) throw new ProtocolError(CODE, 'chose compression');
  let srtpProfile = 0;
  let hasPointFormats = false;
  let hasExtendedMasterSecret = false;
  let renegotiationInfo: Uint8Array | null = null;
  let unknownExtension = -1;
  readExtensions(reader, CODE, (type, content) => {
    switch (type) {
      case DTLS_EXTENSION.useSrtp: {
        const profiles = readNumbers(content, CODE);
        if (profiles.length !== 1 || content.u8() !== 0) throw new ProtocolError(CODE, 'use_srtp');
        srtpProfile = profiles[0]!;
        break;
      }
      case DTLS_EXTENSION.ecPointFormats:
        if (!content.view(content.u8()).includes(0)) throw new ProtocolError(CODE, 'point formats');
        hasPointFormats = true;
        break;
      case DTLS_EXTENSION.extendedMasterSecret:
        hasExtendedMasterSecret = true;
        break;
      case DTLS_EXTENSION.renegotiationInfo:
        renegotiationInfo = content.view(content.u8());
        break;
      default:
        if (unknownExtension === -1) unknownExtension = type;
        return;
    }
    if (content.remaining > 0) throw new ProtocolError(CODE, `length of extension ${type}`);
  });
  return {
    version,
    random,
    suite,
    srtpProfile,
    hasPointFormats,
    hasExtendedMasterSecret,
    renegotiationInfo,
    unknownExtension,
  };
}

/** The body, with an empty session id: nothing can be resumed. `unknownExtension` is not written. */
export function serializeServerHello(hello: ServerHello): Buffer {
  const writer = new ByteWriter(96);
  writer.u16(hello.version).bytes(hello.random).u8(0).u16(hello.suite).u8(0);
  const { renegotiationInfo } = hello;
  writeExtensions(writer, (list) => {
    if (renegotiationInfo !== null) bytesExtension(list, DTLS_EXTENSION.renegotiationInfo, renegotiationInfo);
    if (hello.hasExtendedMasterSecret) list.u16(DTLS_EXTENSION.extendedMasterSecret).u16(0);
    if (hello.hasPointFormats) bytesExtension(list, DTLS_EXTENSION.ecPointFormats, UNCOMPRESSED_ONLY);
    if (hello.srtpProfile !== 0) srtpExtension(list, [hello.srtpProfile]);
  });
  return writer.finish();
}
