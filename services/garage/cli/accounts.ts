/** `autobuilder account ...` */
import type { Command } from 'commander';
import { AppError } from '../../../shared/errors/app-error.ts';
import {
  addAccount,
  addKeys,
  disableAccount,
  enableAccount,
  listAccounts,
  removeKey,
  setPassword,
} from '../accounts/accounts.ts';
import type { Garage } from '../context.ts';
import { uploadHowto } from '../howto/upload.ts';
import { readTextFile } from '../../../shared/cli/input.ts';
import type { Cli } from '../../../shared/cli/program.ts';
import { withGarage } from './context.ts';
import { printJson, printTable } from '../../../shared/cli/output.ts';

interface KeyOptions {
  sshKey: string[];
  openpgpKey: string[];
}

interface PasswordOptions {
  passwordFile?: string;
  passwordStdin?: boolean;
}

interface AddOptions extends KeyOptions, PasswordOptions {
  email: string;
  admin?: boolean;
}

/** Adds the command group to the program. */
export function addAccountCommands(cli: Cli): void {
  const account = cli.program.command('account').description('people who may upload, promote, sign in');
  withPassword(withKeys(account.command('add <login>')))
    .description('make an account; prints the dput stanza for it')
    .requiredOption('--email <address>', 'where it is told what became of its uploads')
    .option('--admin', 'may do everything')
    .action((login: string, options: AddOptions) => withGarage((garage) => add(cli, garage, login, options)));
  withKeys(account.command('add-key <login>'))
    .description('add keys to an account')
    .action((login: string, options: KeyOptions) =>
      withGarage((garage) => addKeys(garage, login, readKeys(options))),
    );
  account
    .command('remove-key <login> <fingerprint>')
    .description('take a key away: SHA256:... of an SSH key, or the fingerprint of an OpenPGP key')
    .action((login: string, fingerprint: string) =>
      withGarage((garage) => removeKey(garage, login, fingerprint)),
    );
  account
    .command('list')
    .description('every account')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) =>
      withGarage((garage) => list(cli, garage, options.json ?? false)),
    );
  account
    .command('disable <login>')
    .description('end its access: uploads, signatures, sign-in')
    .action((login: string) => withGarage((garage) => disableAccount(garage, login)));
  account
    .command('enable <login>')
    .description('give its access back')
    .action((login: string) => withGarage((garage) => enableAccount(garage, login)));
  withPassword(account.command('password <login>'))
    .description('set or replace the password for the web')
    .action((login: string, options: PasswordOptions) =>
      withGarage((garage) => setPassword(garage, login, requirePassword(options))),
    );
}

function withKeys(command: Command): Command {
  return command
    .option('--ssh-key <file>', 'OpenSSH public key; may be given several times', collect, [])
    .option('--openpgp-key <file>', 'armored OpenPGP public key; may be given several times', collect, []);
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}

function withPassword(command: Command): Command {
  return command
    .option('--password-file <file>', 'read the password from this file')
    .option('--password-stdin', 'read the password from standard input');
}

function readKeys(options: KeyOptions): { sshKeys: string[]; openpgpKeys: string[] } {
  return { sshKeys: options.sshKey.map(readTextFile), openpgpKeys: options.openpgpKey.map(readTextFile) };
}

function readPassword(options: PasswordOptions): string | undefined {
  const file = options.passwordStdin ? '-' : options.passwordFile;
  return file === undefined ? undefined : readTextFile(file).replace(/\r?\n$/, '');
}

function requirePassword(options: PasswordOptions): string {
  const password = readPassword(options);
  if (password !== undefined) return password;
  throw new AppError('password-missing', 'There is no password', {
    hint: 'Give --password-file FILE or --password-stdin; a password on the command line would be seen by ps.',
  });
}

async function add(cli: Cli, garage: Garage, login: string, options: AddOptions): Promise<void> {
  const password = readPassword(options);
  await addAccount(garage, {
    ...{ login, email: options.email, admin: options.admin ?? false },
    ...readKeys(options),
    ...(password === undefined ? {} : { password }),
  });
  cli.output.err(`Account ${login} is made. For its ~/.dput.cf:\n`);
  const { name, products } = garage.common;
  for (const product of products) {
    const [dput] = uploadHowto({ site: name, ...garage.config.upload, product: product.name, login });
    cli.output.out(`${dput?.text ?? ''}\n`);
  }
}

async function list(cli: Cli, garage: Garage, json: boolean): Promise<void> {
  const accounts = await listAccounts(garage);
  if (json) return printJson(cli.output, accounts);
  const rows = accounts.map((each) => [
    ...[each.login, each.email, each.admin, each.disabled, each.hasPassword],
    ...[each.sshKeys.length, each.openpgpKeys.length],
  ]);
  const headings = ['LOGIN', 'EMAIL', 'ADMIN', 'DISABLED', 'PASSWORD', 'SSH KEYS', 'OPENPGP KEYS'];
  printTable(cli.output, headings, rows, 'There are no accounts; add one with: autobuilder account add');
}
