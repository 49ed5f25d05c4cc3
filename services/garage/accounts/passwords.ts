/** Passwords: argon2id; an unknown login takes as long as a wrong password. */
import { hash, verify } from '@node-rs/argon2';
import { AppError } from '../../../shared/errors/app-error.ts';

/** OWASP's first choice for argon2id (19 MiB, 2 passes) is the library's default; it is kept. */
const MIN_PASSWORD_LENGTH = 10;
/** More is an attack on our CPU, not a password. */
const MAX_PASSWORD_LENGTH = 1_024;

/** Argon2id in PHC string form. Throws `password-invalid` for one that is too short or too long. */
export async function hashPassword(password: string): Promise<string> {
  if (password.length < MIN_PASSWORD_LENGTH || password.length > MAX_PASSWORD_LENGTH) {
    const limits = `${String(MIN_PASSWORD_LENGTH)} to ${String(MAX_PASSWORD_LENGTH)}`;
    throw new AppError('password-invalid', `A password has ${limits} characters`, {
      hint: 'Several words in a row are easy to remember and long enough.',
    });
  }
  return hash(password);
}

/** True when the password made this hash; false, after the same time, when there is no hash. */
export async function passwordMatches(storedHash: string | null, password: string): Promise<boolean> {
  if (password.length > MAX_PASSWORD_LENGTH) return false;
  const matches = await verify(storedHash ?? (await decoy()), password);
  return matches && storedHash !== null;
}

let decoyHash: Promise<string> | undefined;

function decoy(): Promise<string> {
  decoyHash ??= hash('nobody has this password');
  return decoyHash;
}
