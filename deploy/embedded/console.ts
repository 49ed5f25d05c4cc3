/** Services' log lines for a person at a terminal; the JSON itself where output is not one. */
import { prettyFactory } from 'pino-pretty';

const pretty = prettyFactory({
  colorize: process.stdout.isTTY,
  ignore: 'pid,hostname,name,service',
  translateTime: 'SYS:HH:MM:ss',
  singleLine: true,
});

/** Prints one line of one service. */
export function printLine(service: string, line: string): void {
  const text = line.startsWith('{') ? pretty(line) : `${line}\n`;
  process.stdout.write(`${service.padEnd(10)} ${text ?? ''}`);
}
