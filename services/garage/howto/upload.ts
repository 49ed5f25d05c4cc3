/** Settings for upload clients, filled in. Pure, since the web shows and the CLI prints them. */
import { slugOf, type Snippet } from './snippet.ts';

export interface UploadHowto {
  /** The installation's name. */
  site: string;
  /** Where drop's SSH server is reached. */
  host: string;
  port: number;
  product: string;
  /** Without one, a placeholder stands there. */
  login?: string;
}

const PLACEHOLDER = 'YOUR-LOGIN';
const FILES = ['hello_2.10.orig.tar.gz', 'hello_2.10-3.debian.tar.xz', 'hello_2.10-3.dsc'];
const CHANGES = 'hello_2.10-3_source.changes';

/** dput, dput-ng, dupload, scp and sftp, in this order; the stanza of a product is `<site>-<product>`. */
export function uploadHowto(options: UploadHowto): Snippet[] {
  const stanza = `${slugOf(options.site)}-${options.product}`;
  const filled = { ...options, login: options.login ?? PLACEHOLDER, stanza };
  return [dput(filled), dputNg(filled), dupload(filled), scp(filled), sftp(filled)];
}

interface Filled extends Required<UploadHowto> {
  stanza: string;
}

/** dput 1.1 knows scp but not sftp; its scp speaks SFTP underneath. */
function dput({ stanza, host, port, login, product }: Filled): Snippet {
  return {
    id: 'dput',
    title: 'dput',
    note: 'The dput package of Debian; add this to the file.',
    file: '~/.dput.cf',
    command: `dput ${stanza} ${CHANGES}`,
    text: [
      `[${stanza}]`,
      'method = scp',
      `fqdn = ${host}`,
      `login = ${login}`,
      `incoming = /${product}/`,
      `ssh_config_options = Port ${String(port)}`,
    ].join('\n'),
  };
}

function dputNg({ stanza, host, port, login, product }: Filled): Snippet {
  const profile = { method: 'sftp', fqdn: host, port, login, incoming: `/${product}/` };
  return {
    id: 'dput-ng',
    title: 'dput-ng',
    note: 'The profile is a file of its own.',
    command: `dput ${stanza} ${CHANGES}`,
    file: `~/.dput.d/profiles/${stanza}.json`,
    text: JSON.stringify({ ...profile, allowed_distributions: '.*' }, null, 4),
  };
}

function dupload({ stanza, host, port, login, product }: Filled): Snippet {
  return {
    id: 'dupload',
    title: 'dupload',
    note: 'Add the stanza before the last line of a file that is there already.',
    command: `dupload --to ${stanza} ${CHANGES}`,
    file: '~/.dupload.conf',
    text: [
      'package config;',
      `$cfg{'${stanza}'} = {`,
      `    fqdn     => '${host}',`,
      "    method   => 'scpb',",
      `    login    => '${login}',`,
      `    incoming => '/${product}/',`,
      `    options  => '-P ${String(port)}',`,
      '};',
      '1;',
    ].join('\n'),
  };
}

function scp({ host, port, login, product }: Filled): Snippet {
  return {
    id: 'scp',
    title: 'scp',
    note: 'The .changes comes last.',
    text: [
      `scp -P ${String(port)} \\`,
      ...FILES.map((name) => `    ${name} \\`),
      `    ${CHANGES} \\`,
      `    ${login}@${bracketed(host)}:/${product}/`,
    ].join('\n'),
  };
}

function sftp({ host, port, login, product }: Filled): Snippet {
  return {
    id: 'sftp',
    title: 'sftp',
    note: 'Any SFTP program will do; it shows the products as folders.',
    text: [
      `sftp -P ${String(port)} ${login}@${bracketed(host)}`,
      `cd /${product}`,
      ...[...FILES, CHANGES].map((name) => `put ${name}`),
    ].join('\n'),
  };
}

/** scp and sftp split at the first colon. */
function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
