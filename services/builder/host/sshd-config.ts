import type { BuilderAccount } from './account.ts';

export interface SshdSettings {
  host: string;
  port: number;
  hostKeyFile: string;
  authorizedKeysFile: string;
  account: BuilderAccount;
}

/**
 * sshd_config(5) for a server that knows one user and one key: no password, no PAM, no forwarding of
 * anything, no terminal.
 *
 * StrictModes looks for somebody else who may write to the keys file or a folder above it. As root the file
 * lies in root's folders and must pass. A normal user's installation may lie anywhere (below /tmp, say),
 * and their sshd can give away nothing but what is theirs.
 */
export function sshdConfig(settings: SshdSettings): string {
  const { account } = settings;
  return [
    `ListenAddress ${settings.host.includes(':') ? `[${settings.host}]` : settings.host}`,
    `Port ${String(settings.port)}`,
    `HostKey ${quoted(settings.hostKeyFile)}`,
    'PidFile none',
    `AuthorizedKeysFile ${quoted(settings.authorizedKeysFile.replaceAll('%', '%%'))}`,
    `StrictModes ${account.isOther ? 'yes' : 'no'}`,
    `AllowUsers ${account.name}`,
    'PermitRootLogin no',
    'AuthenticationMethods publickey',
    'PubkeyAuthentication yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'HostbasedAuthentication no',
    'UsePAM no',
    'PermitUserEnvironment no',
    'PermitUserRC no',
    'PermitTTY no',
    'DisableForwarding yes',
    'PrintMotd no',
    'UseDNS no',
    // Someone who connects and says nothing holds a place for this long only.
    'LoginGraceTime 20',
    'MaxAuthTries 3',
    // Each attempt has one connection with at most three channels at a time; the rest is slack.
    'MaxSessions 10',
    // A garage that vanished without a word is noticed after a minute.
    'ClientAliveInterval 15',
    'ClientAliveCountMax 4',
    'LogLevel INFO',
    'Subsystem sftp internal-sftp',
    '',
  ].join('\n');
}

function quoted(file: string): string {
  return `"${file}"`;
}
