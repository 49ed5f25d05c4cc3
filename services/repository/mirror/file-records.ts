/** Table `mirror_files`: which files were seen with which size, time and sum. Only a cache, see pool.ts. */
import type { Pool } from '../../../shared/database/pool.ts';

/** What stat(2) says, as far as it tells one content from another. */
export interface FileTimes {
  size: number;
  mtimeMs: number;
}

interface Known extends FileTimes {
  checksum: string;
}

/** Rows that one statement writes. */
const BATCH = 500;

export class FileRecords {
  readonly #pool: Pool;
  readonly #mirror: string;
  readonly #known: Map<string, Known>;
  #waiting = new Map<string, Known>();

  private constructor(pool: Pool, mirror: string, known: Map<string, Known>) {
    this.#pool = pool;
    this.#mirror = mirror;
    this.#known = known;
  }

  /** What is known of a mirror's files; nothing when `isForgotten`: every sum is taken anew. */
  static async read(pool: Pool, mirror: string, isForgotten: boolean): Promise<FileRecords> {
    if (isForgotten) return new FileRecords(pool, mirror, new Map());
    const { rows } = await pool.query<Known & { path: string }>(
      `select path, size::float8 as size, mtime_ms as "mtimeMs", checksum from mirror_files where mirror = $1`,
      [mirror],
    );
    return new FileRecords(pool, mirror, new Map(rows.map(({ path, ...known }) => [path, known])));
  }

  /** True when the file was seen with this checksum and has not been written since. */
  isKnown(path: string, times: FileTimes, checksum: string): boolean {
    const known = this.#known.get(path);
    return known?.checksum === checksum && known.size === times.size && known.mtimeMs === times.mtimeMs;
  }

  /** Notes what was read just now; written in batches, see {@link flush}. */
  async remember(path: string, { size, mtimeMs }: FileTimes, checksum: string): Promise<void> {
    const known = { size, mtimeMs, checksum };
    this.#known.set(path, known);
    this.#waiting.set(path, known);
    if (this.#waiting.size >= BATCH) await this.flush();
  }

  async flush(): Promise<void> {
    const rows = [...this.#waiting];
    this.#waiting = new Map();
    if (rows.length === 0) return;
    await this.#pool.query(
      `insert into mirror_files (mirror, path, size, mtime_ms, checksum)
       select $1, * from unnest($2::text[], $3::bigint[], $4::float8[], $5::text[])
       on conflict (mirror, path) do update
         set size = excluded.size, mtime_ms = excluded.mtime_ms, checksum = excluded.checksum`,
      [
        this.#mirror,
        rows.map(([path]) => path),
        rows.map(([, known]) => known.size),
        rows.map(([, known]) => known.mtimeMs),
        rows.map(([, known]) => known.checksum),
      ],
    );
  }
}
