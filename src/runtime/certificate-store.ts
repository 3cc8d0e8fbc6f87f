/**
 * One key and certificate for every TLS listener: the files of the configuration, or `server.key`/`server.crt`
 * beside it, or a self-signed pair made at the first start and kept there. Files are watched; a renewed pair is
 * taken without a restart, a broken one is reported and the old one stays.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, unwatchFile, watchFile, writeFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { dirname, resolve } from 'node:path';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { makeSelfSignedCertificate } from '../crypto/self-signed-certificate.ts';
import { ConfigError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';

const WATCH_MS = 2000;

export interface CertificateFiles {
  /** Folder that relative names start from. */
  readonly folder: string;
  /** '' = the default name beside the configuration. */
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

export interface TlsUser {
  setSecureContext(options: SecureContextOptions): void;
}

export class CertificateStore {
  private readonly files: CertificateFiles;
  private readonly log: Logger;
  private readonly users: TlsUser[] = [];
  private readonly watched: string[] = [];
  private current: SecureContextOptions | null = null;
  private currentHash = '';
  /** True while the self-signed pair is used: pages then explain the browser's warning. */
  selfSigned = false;

  constructor(files: CertificateFiles, log: Logger) {
    this.files = files;
    this.log = log;
  }

  /** Loads or makes the pair; throws ConfigError with the file's name when it is broken. */
  options(): SecureContextOptions {
    this.current ??= this.load();
    return this.current;
  }

  /** Registers a listener for renewals. */
  use(user: TlsUser): void {
    this.users.push(user);
    if (this.users.length > 1) return;
    for (const path of [this.keyPath, this.certPath]) {
      if (path === '' || !existsSync(path)) continue;
      this.watched.push(path);
      watchFile(path, { interval: WATCH_MS, persistent: false }, () => this.reload());
    }
  }

  close(): void {
    for (const path of this.watched) unwatchFile(path);
  }

  private get keyPath(): string {
    return resolve(this.files.folder, this.files.key || 'server.key');
  }

  private get certPath(): string {
    return resolve(this.files.folder, this.files.cert || 'server.crt');
  }

  private load(): SecureContextOptions {
    const { keyPath, certPath } = this;
    const configured = this.files.key !== '' || this.files.cert !== '';
    if (!configured && !existsSync(keyPath) && !existsSync(certPath)) return this.makeOwn();
    const pair: SecureContextOptions = { key: this.read(keyPath), cert: this.read(certPath) };
    if (this.files.ca !== '') pair.ca = this.read(resolve(this.files.folder, this.files.ca));
    this.verify(pair, keyPath, certPath);
    this.currentHash = hashOf(pair);
    this.selfSigned = pair.cert?.toString().includes(SELF_SIGNED_MARK) ?? false;
    return pair;
  }

  private read(path: string): Buffer {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new ConfigError(
        path,
        `the TLS file cannot be read (${(error as NodeJS.ErrnoException).code ?? error}).`,
      );
    }
  }

  private verify(pair: SecureContextOptions, keyPath: string, certPath: string): SecureContext {
    try {
      return createSecureContext(pair);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      throw new ConfigError(
        certPath,
        `the certificate and its key ${keyPath} do not work together (${detail}). ` +
          'Put matching PEM files there, or remove both to let Sluice make a self-signed pair.',
      );
    }
  }

  private makeOwn(): SecureContextOptions {
    const pair = makeSelfSignedCertificate(hostname() || 'sluice', localNames(), Date.now());
    this.selfSigned = true;
    try {
      mkdirSync(dirname(this.keyPath), { recursive: true });
      writeFileSync(this.keyPath, pair.key, { mode: 0o600, flag: 'wx' });
      writeFileSync(this.certPath, SELF_SIGNED_MARK + pair.cert, { flag: 'wx' });
      this.log.info('tls.self-signed', { key: this.keyPath, cert: this.certPath });
    } catch (error) {
      // A read-only place: the pair lives as long as the process.
      this.log.warn('tls.self-signed-not-kept', {
        folder: this.files.folder,
        cause: (error as NodeJS.ErrnoException).code,
      });
    }
    return pair;
  }

  private reload(): void {
    try {
      const pair = this.load();
      const hash = hashOf(pair);
      if (this.current !== null && hash === hashOf(this.current)) return;
      this.current = pair;
      this.currentHash = hash;
      for (const user of this.users) user.setSecureContext(pair);
      this.log.info('tls.reloaded', { cert: this.certPath, hash: this.currentHash.slice(0, 12) });
    } catch (error) {
      this.log.error('tls.reload-failed', { cause: error instanceof Error ? error.message : String(error) });
    }
  }
}

const SELF_SIGNED_MARK =
  '# Self-signed by Sluice at its first start. Replace both files by your own; they are reloaded.\n';

function hashOf(pair: SecureContextOptions): string {
  return createHash('sha256').update(String(pair.key)).update(String(pair.cert)).digest('hex');
}

function localNames(): string[] {
  const names = new Set(['localhost', '127.0.0.1', '::1']);
  if (hostname() !== '') names.add(hostname());
  for (const list of Object.values(networkInterfaces()))
    for (const one of list ?? []) names.add(one.address.split('%')[0]!);
  return [...names].slice(0, 32);
}
