"""A raw HTTP/1 and TCP client: sends exactly the bytes that it is given and parses what comes back strictly."""
import socket
import struct
from dataclasses import dataclass, field

from tests.helpers.timing import SCALE


@dataclass
class Response:
    """One response as it stood on the wire. `headers`: pairs of bytes in order, names as sent; `body` is unframed."""

    status: int
    reason: bytes
    version: bytes
    headers: list
    body: bytes = b""
    trailers: list = field(default_factory=list)
    interim: list = field(default_factory=list)         # status codes of the 1xx heads before it

    def header(self, name):
        """The value of the first header with that name (bytes, any case), or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Closed(Exception):
    """The peer closed (FIN) before what was expected arrived; `received` holds what did."""

    def __init__(self, received=b""):
        super().__init__(f"peer closed after {bytes(received[:200])!r}")
        self.received = bytes(received)


class Client:
    """One connection to `port` on 127.0.0.1 (or `address`: what socket.connect takes). Blocks up to `timeout_s`."""

    def __init__(self, port=None, *, address=None, family=socket.AF_INET, timeout_s=5.0, receive_buffer=None):
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout_s * SCALE)
        self.sock.connect(address if address is not None else ("127.0.0.1", port))
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send(self, data):
        self.sock.sendall(data)
        return self

    def get(self, path="/", host="test", headers=(), method="GET"):
        """Sends a request without a body and returns its response."""
        self.request(method, path, host, headers)
        return self.response(head_request=method == "HEAD")

    def request(self, method="GET", path="/", host="test", headers=(), body=None):
        """Sends one request; a `body` gets a content-length."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return self.send("\r\n".join((*lines, "", "")).encode("latin-1") + (body or b""))

    def _fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def read_until(self, end):
        """Everything up to and with `end`."""
        while (at := self.buffer.find(end)) < 0:
            self._fill()
        return self._take(at + len(end))

    def read_exactly(self, size):
        while len(self.buffer) < size:
            self._fill()
        return self._take(size)

    def read_all(self):
        """Everything until the peer closes."""
        try:
            while True:
                self._fill()
        except Closed:
            return self._take(len(self.buffer))

    def _take(self, size):
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def response(self, head_request=False):
        """The next final response with its whole body. Raises Closed, OSError, AssertionError when it is malformed."""
        interim = []
        while True:
            head = self._head()
            if head.status >= 200 or head.status == 101:
                break
            interim.append(head.status)
        head.interim = interim
        if head_request or head.status in (101, 204, 304):
            return head
        encoding, length = head.header(b"transfer-encoding"), head.header(b"content-length")
        assert encoding is None or length is None, f"both framings: {head}"
        if encoding is not None:
            assert encoding.lower() == b"chunked", encoding
            head.body = self._chunked(head)
        elif length is not None:
            head.body = self.read_exactly(int(length))
        else:
            head.body = self.read_all()
        return head

    def _head(self):
        line = self.read_until(b"\r\n")[:-2]
        version, status, *reason = line.split(b" ", 2)
        assert version in (b"HTTP/1.1", b"HTTP/1.0") and len(status) == 3, line
        return Response(int(status), reason[0] if reason else b"", version, self._fields())

    def _fields(self):
        fields = []
        while line := self.read_until(b"\r\n")[:-2]:
            name, colon, value = line.partition(b":")
            assert colon and name == name.strip(), line
            fields.append((name, value.strip()))
        return fields

    def _chunked(self, head):
        pieces = []
        while size := int(self.read_until(b"\r\n")[:-2], 16):
            pieces.append(self.read_exactly(size))
            assert self.read_exactly(2) == b"\r\n"
        head.trailers = self._fields()
        return b"".join(pieces)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def abort(self):
        """Closes with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def is_closed(self):
        """Waits for the peer's FIN or RST and returns True; False when data or nothing comes within the timeout."""
        try:
            return not self.buffer and self.sock.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self):
        self.sock.close()
