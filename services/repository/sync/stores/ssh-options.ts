import type { Target } from '../targets.ts';

/**
 * Options of ssh(1) for a target: no question is ever asked, an unknown host is refused, and a connection
 * that died is noticed. None holds a space: rsync splits its -e at spaces.
 */
export function sshOptions(target: Target, port: number, connectTimeoutS: number): string[] {
  const { identityFile, knownHostsFile } = target;
  return [
    ...['-p', String(port), '-oBatchMode=yes', '-oStrictHostKeyChecking=yes'],
    `-oConnectTimeout=${String(connectTimeoutS)}`,
    ...['-oServerAliveInterval=15', '-oServerAliveCountMax=4'],
    ...(identityFile === null ? [] : ['-i', identityFile, '-oIdentitiesOnly=yes']),
    ...(knownHostsFile === null
      ? []
      : [`-oUserKnownHostsFile=${knownHostsFile}`, '-oGlobalKnownHostsFile=/dev/null']),
  ];
}
