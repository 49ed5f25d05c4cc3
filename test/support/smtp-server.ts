/** A small SMTP server (RFC 5321's minimal commands) that keeps what it was sent. */
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface ReceivedMail {
  from: string;
  to: string[];
  data: string;
}

interface Session {
  mail: ReceivedMail;
  /** Lines since DATA; null outside of it. */
  body: string[] | null;
}

export class SmtpServer {
  readonly mails: ReceivedMail[] = [];
  port = 0;
  /** Answers MAIL with a temporary failure while true. */
  isBusy = false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(): Promise<SmtpServer> {
    const smtp = new SmtpServer();
    await new Promise<void>((resolve) => smtp.#server.listen(0, '127.0.0.1', resolve));
    smtp.port = (smtp.#server.address() as { port: number }).port;
    return smtp;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    const session: Session = { mail: { from: '', to: [], data: '' }, body: null };
    socket.write('220 test.example.org ESMTP\r\n');
    createInterface({ input: socket, crlfDelay: Infinity }).on('line', (line) => {
      const answer = session.body === null ? this.#command(session, line) : this.#text(session, line);
      if (answer !== null) socket.write(`${answer}\r\n`);
      if (answer?.startsWith('221')) socket.end();
    });
  }

  #text(session: Session, line: string): string | null {
    if (line !== '.') {
      session.body?.push(line.replace(/^\./, ''));
      return null;
    }
    this.mails.push({ ...session.mail, data: (session.body ?? []).join('\n') });
    session.body = null;
    return '250 taken';
  }

  #command(session: Session, line: string): string {
    const [verb = ''] = line.toUpperCase().split(/[ :]/);
    const address = /<(.*?)>/.exec(line)?.[1] ?? '';
    switch (verb) {
      case 'MAIL':
        session.mail = { from: address, to: [], data: '' };
        return this.isBusy ? '451 try again later' : '250 ok';
      case 'RCPT':
        session.mail.to.push(address);
        return '250 ok';
      case 'DATA':
        session.body = [];
        return '354 go on';
      case 'QUIT':
        return '221 bye';
      default:
        return ['EHLO', 'HELO', 'RSET', 'NOOP'].includes(verb) ? '250 ok' : '502 unknown';
    }
  }
}
