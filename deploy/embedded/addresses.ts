/** What a person at the terminal needs to know once everything is up. */

/** The web, SSH and apt addresses as the services reported them. */
export function addresses(root: string, facts: Record<string, Record<string, unknown>>): string {
  const of = (service: string): string => {
    const address = facts[service]?.['address'];
    return typeof address === 'string' ? address : 'off';
  };
  return [
    `Autobuilder is up; its state is in ${root}`,
    `  web   ${of('garage')}`,
    `  SSH   ${of('drop')}`,
    `  apt   ${of('live')}`,
  ].join('\n');
}

/** Resolves at SIGINT or SIGTERM. */
export function untilSignal(): Promise<undefined> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve(undefined));
    process.once('SIGTERM', () => resolve(undefined));
  });
}
