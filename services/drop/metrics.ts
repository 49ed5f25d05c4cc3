import { Counter, Gauge, Registry } from 'prom-client';

/** What an operator watches: who gets in, what arrives, what is refused. */
export interface DropMetrics {
  registry: Registry;
  connections: Gauge;
  /** By `result`: accepted, refused. */
  logins: Counter<'result'>;
  openUploads: Gauge;
  /** By `result`: complete, broken (no close, or it failed), refused (never opened). */
  uploads: Counter<'result'>;
  uploadedBytes: Counter;
}

/** A registry of its own, so that several services can run in one test. */
export function createMetrics(): DropMetrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    connections: new Gauge({ name: 'drop_connections', help: 'SSH connections now', registers }),
    logins: new Counter({
      name: 'drop_logins_total',
      help: 'Logins by result',
      labelNames: ['result'],
      registers,
    }),
    openUploads: new Gauge({ name: 'drop_open_uploads', help: 'Files arriving now', registers }),
    uploads: new Counter({
      name: 'drop_uploads_total',
      help: 'Uploaded files by result',
      labelNames: ['result'],
      registers,
    }),
    uploadedBytes: new Counter({
      name: 'drop_uploaded_bytes_total',
      help: 'Bytes of complete files',
      registers,
    }),
  };
}
