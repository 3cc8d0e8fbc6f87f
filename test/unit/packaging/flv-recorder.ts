/** Takes what FlvIngest gives, for tests. */
import type { Track } from '../../../src/media/track.ts';
import { FlvIngest } from '../../../src/packaging/flv-ingest.ts';
import type { AmfValue } from '../../../src/wire/amf/amf-value.ts';
import { IngestRecorder } from '../../support/ingest-recorder.ts';

export class FlvRecorder extends IngestRecorder {
  readonly metadatas: { values: AmfValue; promisesVideo: boolean }[] = [];
  readonly ingest = new FlvIngest(this);

  metadata(values: AmfValue, promisesVideo: boolean): void {
    this.metadatas.push({ values, promisesVideo });
  }

  /** The track as it was announced last. */
  track(id: number): Track {
    return this.tracks.findLast((track) => track.id === id)!;
  }
}
