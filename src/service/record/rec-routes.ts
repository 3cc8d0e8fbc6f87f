/**
 * smart_rtmpd's addresses of recordings: lists at /api/rec and /rec/<stream>, playing at
 * /rec/<stream>/<day>/<time>.m3u8, and the forms of 2020 (`/rec/s?cmd=query`, `/rec/s.m3u8?day=&time=`) and 2022
 * (`/rec/s?day=`, `/rec/s?day=&time=`).
 */

import { isDay } from '../../recordings/recording-entry.ts';
import { sendFile } from '../../runtime/file-response.ts';
import { type HttpRequest, sendJson } from '../../runtime/http-listener.ts';
import { RejectedError } from '../../util/errors.ts';
import { parseRecAddress, type RecAddress, RecordPlaces } from './record-places.ts';
import type { RecordService } from './record-service.ts';

/** What a live stream's address ends with: such an address is not one of recordings unless it names a day. */
const LIVE_SUFFIX = /\.(m3u8|mpd|flv|ts|mp4|m4s|aac|mp3|jpg|key|init)$/;
const TIME = /^\d{2}-\d{2}-\d{2}(\.\d+)?(-\d+)?(\.(m3u8|mpd|ts|mp4|flv))?$/;

export class RecRoutes {
  private readonly service: RecordService;
  private readonly places: RecordPlaces;

  constructor(service: RecordService) {
    this.service = service;
    this.places = new RecordPlaces(service.index);
  }

  /** `query` tells the old form of a recording from the live stream at the same path. */
  accepts(method: string, path: string, query: URLSearchParams): boolean {
    if (method !== 'GET' && method !== 'HEAD') return false;
    if (path === '/rec' || path === '/api/rec' || path.startsWith('/api/rec/')) return true;
    if (!path.startsWith('/rec/')) return false;
    const address = parseRecAddress(path.slice('/rec/'.length));
    if (address.kind !== 'stream') return true;
    return !LIVE_SUFFIX.test(path) || query.has('day');
  }

  async handle(request: HttpRequest): Promise<void> {
    const isApi = request.path.startsWith('/api/');
    const address = parseRecAddress(request.path.slice(isApi ? '/api/rec'.length : '/rec'.length));
    const vhost = request.query.get('vhost') ?? '';
    if (isApi && (address.kind === 'file' || address.kind === 'exact'))
      throw new RejectedError('not-found', `Files are played at /rec/, without /api.`);
    if (address.kind === 'stream') await this.stream(request, address.stream, vhost);
    else if (address.kind === 'root')
      sendJson(request.response, 200, { dirs: await this.places.streams(vhost) });
    else if (address.kind === 'day') await this.day(request, address.stream, address.day, vhost);
    else await this.play(request, address, vhost);
  }

  /** The days of a stream, or what the query of an older form asks for. */
  private async stream(request: HttpRequest, name: string, vhost: string): Promise<void> {
    const day = request.query.get('day');
    const time = request.query.get('time');
    if (day === null) {
      sendJson(request.response, 200, { dirs: await this.places.days(name, vhost) });
      return;
    }
    if (!isDay(day)) throw new RejectedError('bad-request', `day=${day} is not a day such as 2026-11-21.`);
    if (time === null) {
      await this.day(request, name, day, vhost);
      return;
    }
    if (!TIME.test(time))
      throw new RejectedError('bad-request', `time=${time} is not a time such as 12-45-20.m3u8.`);
    const suffix = LIVE_SUFFIX.exec(name)?.[0] ?? '.m3u8';
    const stream = LIVE_SUFFIX.test(name) ? name.slice(0, -suffix.length) : name;
    const file = time.includes('.') ? time : `${time}${suffix}`;
    // Relative names in a list count from its own address, so the old one leads there.
    const target = ['', 'rec', ...stream.split('/'), day, file].map(encodeURIComponent).join('/');
    request.response.writeHead(302, { Location: target, 'Cache-Control': 'no-store' });
    request.response.end();
  }

  private async day(request: HttpRequest, name: string, day: string, vhost: string): Promise<void> {
    sendJson(request.response, 200, { files: await this.places.files(name, day, vhost) });
  }

  private async play(request: HttpRequest, address: RecAddress, vhost: string): Promise<void> {
    const path = await this.places.find(address, request.host, vhost);
    // A list or file that is being recorded grows.
    await sendFile(request, path, this.service.index.readers, { cacheControl: 'no-cache' });
  }
}
