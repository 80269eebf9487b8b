"""Upstream servers for tests: real sockets, one thread per connection, everything recorded, answers scripted."""
import socket
import struct
import threading
from dataclasses import dataclass, field

from tests.helpers.timing import SCALE


@dataclass
class Request:
    """What arrived: `raw` is the head byte for byte, `headers` pairs of bytes as sent; `body` is what was read."""

    raw: bytes
    method: bytes
    path: bytes
    version: bytes
    headers: list
    connection: int                                     # counts up per accepted connection, from 0
    body: bytes = b""
    trailers: list = field(default_factory=list)

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Exchange:
    """One request on one connection, as a handler sees it. It may block; an OSError ends the connection."""

    def __init__(self, server, sock, reader, request):
        self.server, self.sock, self.reader, self.request = server, sock, reader, request
        self.keep = True
        self._body_read = False

    def read_body(self):
        """Reads the whole request body into `request.body` and returns it."""
        if not self._body_read:
            self._body_read = True
            request = self.request
            if (request.header(b"transfer-encoding") or b"").lower() == b"chunked":
                request.body = self._chunked()
            else:
                request.body = self._exactly(int(request.header(b"content-length") or 0))
        return self.request.body

    def _exactly(self, size):
        data = self.reader.read(size)
        if len(data) != size:
            raise ConnectionError(f"request body ended after {len(data)} of {size} bytes")
        return data

    def _chunked(self):
        pieces = []
        while size := int(self._line(), 16):
            pieces.append(self._exactly(size))
            assert self._line() == b""
        while line := self._line():
            name, _, value = line.partition(b":")
            self.request.trailers.append((name, value.strip()))
        return b"".join(pieces)

    def _line(self):
        line = self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"incomplete line {line!r}")
        return line[:-2]

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, status=200, body=b"", headers=()):
        """Sends a whole response with a content-length; `headers`: pairs of str."""
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers),
                 f"content-length: {len(body)}", "", ""]
        self.send("\r\n".join(lines).encode("latin-1") + (b"" if self.request.method == b"HEAD" else body))

    def close(self):
        """Ends the connection after the handler."""
        self.keep = False

    def abort(self):
        """Ends the connection with a reset, at once."""
        self.keep = False
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def echo_name(exchange):
    """The default handler: reads the body and answers 200 with "upstream"."""
    exchange.read_body()
    exchange.answer(body=b"upstream")


class TcpUpstream:
    """Accepts on an ephemeral port of 127.0.0.1. `handler(sock, index)` runs in a thread per connection; the default
    echoes until EOF, then half-closes. `received[index]` collects what the default handler read."""

    def __init__(self, handler=None, *, backlog=1024, family=socket.AF_INET, address=("127.0.0.1", 0)):
        self.handler = handler or self._echo
        self.received, self.errors, self.open_connections = {}, [], 0
        self._lock, self._live = threading.Lock(), set()
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(address)
        self.listener.listen(backlog)
        self.address = self.listener.getsockname()
        self.port = self.address[1] if family != socket.AF_UNIX else None
        self.accepted = 0
        self._thread = threading.Thread(target=self._accept, daemon=True, name="upstream accept")
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
        if exc[0] is None:
            assert not self.errors, self.errors

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(30 * SCALE)
            with self._lock:
                index = self.accepted
                self.accepted += 1
                self.open_connections += 1
                self._live.add(sock)
            threading.Thread(target=self._serve, args=(sock, index), daemon=True, name=f"upstream {index}").start()

    def _serve(self, sock, index):
        try:
            self.handler(sock, index)
        except OSError:                                 # the proxy closed or reset: tests look at that from its side
            pass
        except Exception as exc:
            self.errors.append(exc)
        finally:
            sock.close()
            with self._lock:
                self.open_connections -= 1
                self._live.discard(sock)

    def _echo(self, sock, index):
        while data := sock.recv(65536):
            self.received[index] = self.received.get(index, b"") + data
            sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    def close(self):
        """Stops accepting and ends every connection."""
        for sock in (self.listener, *self._live):
            try:
                sock.shutdown(socket.SHUT_RDWR)         # wakes the thread that waits on it; close() would not
            except OSError:
                pass
        self.listener.close()
        self._thread.join(5 * SCALE)


class HttpUpstream(TcpUpstream):
    """An HTTP/1.1 server. `handler(exchange)` answers; `requests` has every request whose head was complete, in order.

    The handler is called when the head is there: it may answer before it reads the body, or never.
    """

    def __init__(self, handler=echo_name, **options):
        self.http_handler = handler
        self.requests = []
        super().__init__(self._serve_http, **options)

    def _serve_http(self, sock, index):
        reader = sock.makefile("rb")
        while (request := self._head(reader, index)) is not None:
            self.requests.append(request)
            exchange = Exchange(self, sock, reader, request)
            self.http_handler(exchange)
            if not exchange.keep:
                return

    @staticmethod
    def _head(reader, index):
        lines = []
        while True:
            line = reader.readline()
            if not line.endswith(b"\n"):
                return None
            lines.append(line)
            if line in (b"\r\n", b"\n"):
                break
        method, path, version = lines[0].strip().split(b" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines[1:-1])]
        return Request(b"".join(lines), method, path, version, headers, index)
