"""A real SMTP server (Debian's python3-aiosmtpd) that prints what it takes, one JSON object a line.

argv[1]: JSON with folder (for control files), and perhaps port, cert, key, implicit, user, password.
A recipient's name says what becomes of the mail: unknown@ is refused for good, greylisted@ for now until the
folder holds a file `open`, spam@ after its text was read. Everything else is taken.
"""

import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])


def is_open():
    return os.path.exists(os.path.join(options["folder"], "open"))


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("unknown@"):
            return "550 5.1.1 no such user here"
        if address.startswith("greylisted@") and not is_open():
            return "451 4.7.1 greylisted, come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if any(address.startswith("spam@") for address in envelope.rcpt_tos):
            return "554 5.7.1 this is spam"
        print(
            json.dumps(
                {
                    "from": envelope.mail_from,
                    "to": envelope.rcpt_tos,
                    "data": envelope.content.decode("utf8", "replace").replace("\r\n", "\n"),
                    "tls": session.ssl is not None or bool(options.get("implicit")),
                    "user": session.auth_data if session.authenticated else None,
                }
            ),
            flush=True,
        )
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    login = getattr(data, "login", b"").decode()
    password = getattr(data, "password", b"").decode()
    if login == options.get("user") and password == options.get("password"):
        return AuthResult(success=True, auth_data=login)
    return AuthResult(success=False, handled=False)


def context():
    if not options.get("cert"):
        return None
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options["cert"], options["key"])
    return tls


def make(tls):
    needs_login = options.get("user") is not None
    return SMTP(
        Handler(),
        hostname="test.example.org",
        enable_SMTPUTF8=True,
        tls_context=None if options.get("implicit") else tls,
        require_starttls=tls is not None and not options.get("implicit"),
        authenticator=authenticate if needs_login else None,
        auth_required=needs_login,
        auth_require_tls=needs_login and not options.get("implicit"),
    )


async def main():
    tls = context()
    server = await asyncio.get_running_loop().create_server(
        lambda: make(tls),
        "127.0.0.1",
        options.get("port", 0),
        ssl=tls if options.get("implicit") else None,
    )
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


asyncio.run(main())
