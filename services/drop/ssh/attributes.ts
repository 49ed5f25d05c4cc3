/** Files and folders as SFTP shows them. */
import type { Attributes, FileEntry } from 'ssh2';
import type { FileInfo } from '../spool/spool.ts';

/** Folders can be entered and written to, files are the uploader's. */
const FOLDER_MODE = 0o040755;
const FILE_MODE = 0o100640;

const seconds = (time: Date): number => Math.floor(time.getTime() / 1000);

export function folderAttributes(now = new Date()): Attributes {
  return { mode: FOLDER_MODE, uid: 0, gid: 0, size: 0, atime: seconds(now), mtime: seconds(now) };
}

export function fileAttributes(file: Pick<FileInfo, 'size' | 'modified'>): Attributes {
  const time = seconds(file.modified);
  return { mode: FILE_MODE, uid: 0, gid: 0, size: file.size, atime: time, mtime: time };
}

/** A line of a listing; `ls -l` form for clients that show it as it comes. */
export function listingEntry(filename: string, attrs: Attributes): FileEntry {
  const type = attrs.mode === FOLDER_MODE ? 'drwxr-xr-x' : '-rw-r-----';
  const time = new Date(attrs.mtime * 1000).toISOString().slice(0, 16).replace('T', ' ');
  return {
    filename,
    longname: `${type} 1 - - ${String(attrs.size).padStart(12)} ${time} ${filename}`,
    attrs,
  };
}
