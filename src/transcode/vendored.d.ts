/** What is used of modules of packages that bring no types for them. */

declare module '*/mpg123-decoder/src/EmscriptenWasm.js' {
  /** Pointers and sizes are numbers of the module's memory; functions return mpg123's error codes. */
  interface Mpg123 {
    readonly ready: Promise<void>;
    readonly HEAP: ArrayBuffer;
    malloc(bytes: number): number;
    mpeg_frame_decoder_create(decoder: number, isGapless: 0 | 1): number;
    mpeg_frame_decoder_destroy(decoder: number): void;
    mpeg_decoder_feed(decoder: number, input: number, bytes: number): number;
    mpeg_decoder_read(
      decoder: number,
      output: number,
      size: number,
      samples: number,
      rate: number,
      errorText: number,
    ): number;
  }

  export default class Mpg123Module {
    constructor(common: unknown);
    instantiate(): Mpg123;
  }
}

declare module '*/common/src/WASMAudioDecoderCommon.js' {
  /** Called once before a module is made: it unpacks them. */
  export default function unpacker(this: object): void;
}

/** What is used of it; the types of Node leave it to those of browsers. */
declare namespace WebAssembly {
  function validate(bytes: Uint8Array): boolean;
  class RuntimeError extends Error {}
}
