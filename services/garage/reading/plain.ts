/** Build logs hold whatever a build wrote: terminal sequences, progress bars, any byte. */

/* oxlint-disable-next-line no-control-regex -- control characters are what is looked for */
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
/* oxlint-disable-next-line no-control-regex -- as above */
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;

/** Terminal sequences and other control characters taken out; they mean nothing on a page or in a mail. */
export function plain(text: string): string {
  return text.replaceAll(/\r\n?/g, '\n').replace(ESCAPES, '').replace(CONTROLS, '');
}

/** One line as it would stand on a terminal in the end: of a progress bar its last state. */
export function plainLine(line: string): string {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line;
  const from = text.lastIndexOf('\r') + 1;
  return plain(text.slice(from)).replaceAll('\t', '    ');
}
