/**
 * One key frame to JPEG by a child process: an MP4 of one picture goes into ffmpeg, a JPEG comes out. No shell, no
 * files; few children at once, each with a time limit, none of them outlives the server.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Turns } from '../../runtime/turns.ts';
import { RejectedError } from '../../util/errors.ts';

const MAX_CHILDREN = 2;
/** Requests that wait for a child to end. */
const MAX_WAITING = 16;
const MAX_JPEG_BYTES = 8 * 1024 * 1024;
const MAX_COMPLAINT_CHARACTERS = 500;
const TIME_LIMIT_MS = 5000;

const ARGUMENTS: readonly string[] = [
  ['-hide_banner', '-loglevel', 'error', '-nostdin', '-protocol_whitelist', 'pipe', '-threads', '1'],
  ['-f', 'mp4', '-i', 'pipe:0', '-an', '-frames:v', '1', '-pix_fmt', 'yuvj420p'],
  ['-c:v', 'mjpeg', '-q:v', '4', '-f', 'mjpeg', 'pipe:1'],
].flat();

export class JpegMaker {
  private readonly timeLimitMs: number;
  private readonly children = new Map<ChildProcess, Promise<void>>();
  private readonly turns = new Turns(MAX_CHILDREN, MAX_WAITING, 'Too many pictures are asked for at once.');
  private closed: boolean = false;

  constructor(timeLimitMs = TIME_LIMIT_MS) {
    this.timeLimitMs = timeLimitMs;
  }

  /** Rejects with RejectedError('limit') under too much load, with Error when the program makes no picture of it. */
  async make(program: string, mp4: Uint8Array): Promise<Buffer> {
    return await this.turns.run(async () => {
      if (this.closed) throw new RejectedError('shutting-down', 'The server is shutting down.');
      return await this.run(program, mp4);
    });
  }

  private run(program: string, mp4: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const child = spawn(program, ARGUMENTS, { stdio: 'pipe', shell: false, windowsHide: true });
      const parts: Buffer[] = [];
      let bytes = 0;
      let complaint = '';
      let failure = '';
      const fail = (reason: string) => {
        failure ||= reason;
        child.kill('SIGKILL');
      };
      const timer = setTimeout(() => fail(`it took longer than ${this.timeLimitMs} ms`), this.timeLimitMs);
      const ended = new Promise<void>((done) => {
        child.on('error', (error) => {
          clearTimeout(timer);
          reject(error);
          done();
        });
        child.on('close', (code) => {
          clearTimeout(timer);
          done();
          if (failure === '' && code === 0 && bytes > 0) resolve(Buffer.concat(parts));
          else reject(new Error(failure || complaint.trim() || `it ended with ${code}`));
        });
      });
      this.children.set(child, ended);
      void ended.then(() => this.children.delete(child));
      child.stdout.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes > MAX_JPEG_BYTES) fail(`its picture is larger than ${MAX_JPEG_BYTES} bytes`);
        else parts.push(part);
      });
      child.stderr.on('data', (part: Buffer) => {
        if (complaint.length < MAX_COMPLAINT_CHARACTERS)
          complaint = (complaint + part.toString('utf8')).slice(0, MAX_COMPLAINT_CHARACTERS);
      });
      // It may end before it has read everything: then its code tells.
      child.stdin.on('error', () => undefined);
      child.stdin.end(mp4);
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const child of this.children.keys()) child.kill('SIGKILL');
    await Promise.all(this.children.values());
  }
}
