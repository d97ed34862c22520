"""A program, a small door in front of chDB: statements come over HTTP, as ClickHouse takes them.

It knows no users and no settings; all else, errors among it, is the engine's own.
"""

import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, urlsplit

from chdb.session import Session


def main(home: Path, port: int) -> None:
    """Serve until killed."""
    session = Session(str(home / "data"))  # type: ignore[no-untyped-call,unused-ignore]
    one_at_a_time = Lock()

    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Run a statement; one that came with data reads it from a file."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sql = parse_qs(urlsplit(self.path).query).get("query", [""])[0]
            status = 200
            with one_at_a_time, tempfile.NamedTemporaryFile(dir=home) as file:
                try:
                    if sql:
                        file.write(body)
                        file.flush()
                        insert, _, kind = sql.rpartition(" FORMAT ")
                        sql = f"{insert} FROM INFILE '{file.name}' FORMAT {kind}"
                    found = session.query(sql or body.decode(), "TabSeparated")  # type: ignore[no-untyped-call,unused-ignore]
                    answer = found.bytes()
                except RuntimeError as error:
                    status, answer = 500, str(error).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
