/**
 * Takes the files of one form as they arrive, never a whole one in memory: all as `.partial`, then, when
 * none had a problem, renamed with the .dsc and the .changes last, since these start the work. All or
 * nothing: a set with a hole would only be rejected later.
 */
import type { Readable } from 'node:stream';
import type { Multipart, MultipartFile } from '@fastify/multipart';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../../../../shared/errors/app-error.ts';
import { openPartialFile, type PartialFile } from '../../../../../shared/files/partial-file.ts';
import { DEFAULT_MAX_FILE_BYTES, spoolFolder } from '../../../../../shared/protocol/spool.ts';
import { HttpError } from '../../errors.ts';

/** Files of one form; the largest source packages of Debian have about thirty. */
export const MAX_FILES = 60;
/** All files of one form together: two of the largest. */
const MAX_TOTAL_BYTES = 2 * DEFAULT_MAX_FILE_BYTES;
/** The token and the product, with room for what a later form adds. */
const MAX_FIELDS = 8;
const MAX_FIELD_BYTES = 1024;

export interface FileProblem {
  name: string;
  message: string;
  hint: string | undefined;
}

export interface Received {
  /** Names as they lie in the incoming folder now; empty when there were problems. */
  names: string[];
  problems: FileProblem[];
}

interface Receiving {
  folder: string;
  files: PartialFile[];
  problems: FileProblem[];
  /** Bytes still allowed for all files together. */
  left: number;
}

/** Receives the request's files for `login`. Throws HttpError for what is no form of ours. */
export async function receiveUpload(request: FastifyRequest, login: string): Promise<Received> {
  if (!request.isMultipart()) throw badForm('This is not the upload form');
  const fields = new Map<string, string>();
  const state: Receiving = { folder: '', files: [], problems: [], left: MAX_TOTAL_BYTES };
  try {
    for await (const part of request.parts({ limits: LIMITS })) {
      if (part.type === 'field') addField(fields, part);
      else {
        state.folder ||= await openForm(request, fields, login);
        await receiveFile(state, part);
      }
    }
    state.folder ||= await openForm(request, fields, login);
    if (state.files.length + state.problems.length === 0) state.problems.push(NO_FILES);
    if (state.problems.length === 0) await commitAll(state);
  } catch (error) {
    throw isBrokenOff(error) ? brokenOff(error) : error;
  } finally {
    await Promise.all(state.files.map((file) => file.abort()));
  }
  const names = state.problems.length === 0 ? state.files.map((file) => file.name) : [];
  return { names, problems: state.problems };
}

const LIMITS = {
  files: MAX_FILES,
  fields: MAX_FIELDS,
  parts: MAX_FILES + MAX_FIELDS,
  fieldSize: MAX_FIELD_BYTES,
  // Our own count answers with a sentence; this one only ends what nobody reads any more.
  fileSize: DEFAULT_MAX_FILE_BYTES + 1,
};
const NO_FILES: FileProblem = {
  name: '(none)',
  message: 'No file was chosen',
  hint: 'Choose the .changes and all files it lists.',
};

function addField(fields: Map<string, string>, part: Extract<Multipart, { type: 'field' }>): void {
  if (typeof part.value === 'string' && !part.valueTruncated) fields.set(part.fieldname, part.value);
}

/** The fields come before the files: token and product are checked before a byte is kept. */
async function openForm(
  request: FastifyRequest,
  fields: Map<string, string>,
  login: string,
): Promise<string> {
  const { garage } = request.server.web;
  request.body = { _csrf: fields.get('_csrf') };
  await new Promise<void>((resolve, reject) => {
    // The check answers by reply.send when the token is wrong; here that is an error like any other.
    const refuse = { send: reject } as unknown as FastifyReply;
    request.server.csrfProtection.call(request.server, request, refuse, resolve);
  });
  const product = fields.get('product') ?? '';
  if (garage.common.products.some(({ name }) => name === product)) {
    return spoolFolder(garage.home.incoming, product, login);
  }
  throw badForm('There is no such product here');
}

async function receiveFile(state: Receiving, part: MultipartFile): Promise<void> {
  const { filename, file } = part;
  if (filename === '' || filename === undefined) return drain(file);
  if (state.files.some(({ name }) => name === filename)) {
    state.problems.push({ name: filename, message: 'It was chosen twice', hint: 'Choose each file once.' });
    return drain(file);
  }
  try {
    const partial = await openPartialFile(state.folder, filename, { maxBytes: DEFAULT_MAX_FILE_BYTES });
    state.files.push(partial);
    for await (const chunk of file) {
      const bytes = chunk as Buffer;
      state.left -= bytes.length;
      if (state.left < 0) throw tooMuch();
      await partial.write(bytes);
    }
  } catch (error) {
    if (!(error instanceof AppError) || error instanceof HttpError) throw error;
    state.problems.push({ name: filename, message: error.message, hint: error.hint });
    await drain(file);
  }
}

/** What nobody keeps is still read, so that the browser gets to hear the answer. */
async function drain(file: Readable): Promise<void> {
  if (file.destroyed) return;
  for await (const chunk of file) void chunk;
}

async function commitAll(state: Receiving): Promise<void> {
  for (const file of state.files.toSorted((one, other) => rank(one.name) - rank(other.name))) {
    try {
      await file.commit();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      state.problems.push({ name: file.name, message: error.message, hint: error.hint });
      return;
    }
  }
}

/** What starts the work comes last, whatever order it was sent in. */
export function rank(name: string): number {
  if (name.endsWith('.changes')) return 2;
  return name.endsWith('.dsc') ? 1 : 0;
}

function badForm(message: string): HttpError {
  return new HttpError(400, 'bad-request', message, { hint: 'Open the upload page and use its form.' });
}

function tooMuch(): HttpError {
  return new HttpError(413, 'too-large', 'These files together are more than is taken at once', {
    hint: 'Upload them in several steps, the .changes last, or by SSH.',
  });
}

/** The parser has no codes for a body that ends before it should. */
function isBrokenOff(error: unknown): boolean {
  return error instanceof Error && /unexpected end of multipart/i.test(error.message);
}

function brokenOff(cause: unknown): HttpError {
  return new HttpError(400, 'upload-broken-off', 'The upload ended before it was whole', {
    hint: 'Nothing was taken over. Send all files again; for a poor line, sftp is the better way.',
    cause,
  });
}
