import { AppError } from '../../../shared/errors/app-error.ts';

const DEFAULT_PORT = 22;
const FORM =
  /^(?<username>[a-z_][a-z0-9_.-]*)@(?:\[(?<six>[0-9a-fA-F:.]+)\]|(?<host>[A-Za-z0-9._-]+))(?::(?<port>\d{1,5}))?$/;

export interface HostAddress {
  username: string;
  /** A name, or an IPv4 or IPv6 address without brackets. */
  address: string;
  port: number;
}

/** `user@host`, `user@host:2222`, `user@[2001:db8::1]:2222`. Throws `host-address-invalid`. */
export function parseHostAddress(text: string): HostAddress {
  const found = FORM.exec(text)?.groups;
  const port = Number(found?.['port'] ?? DEFAULT_PORT);
  const address = found?.['six'] ?? found?.['host'] ?? '';
  if (found && port >= 1 && port <= 65_535) return { username: found['username'] ?? '', address, port };
  throw new AppError('host-address-invalid', `'${text.slice(0, 200)}' is no address of a host`, {
    hint: 'Write user@host, with :port where it is not 22.',
  });
}

/** A name for a host that was given none: its own, without a domain; an address as it is. */
export function hostNameOf({ address }: Pick<HostAddress, 'address'>): string {
  const isNumber = /^[0-9.]+$|:/.test(address);
  const name = isNumber ? address.replaceAll(':', '-') : (address.split('.')[0] ?? address);
  return name.toLowerCase().replaceAll('_', '-');
}
