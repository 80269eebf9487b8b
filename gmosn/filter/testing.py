"""For tests of filters: a stream without a proxy around it."""
from gmosn.filter.api import BufferedBody, HttpStream
from gmosn.headers import RequestHead, ResponseHead
from gmosn.io.address import Address
from gmosn.stream.api import ServerStream
from gmosn.stream_info import ConnectionInfo, StreamInfo


def request_stream(path="/", headers=(), *, method="GET", authority="test", body=b""):
    """An HttpStream of a request that is complete. `headers`: pairs of bytes or str; `body`: bytes."""
    down = ServerStream()
    down.request = head = RequestHead()
    head.method, head.path, head.authority, head.scheme = method.encode(), path.encode(), authority.encode(), b"http"
    _add(head, headers)
    if body:
        head.length, head.has_body = len(body), True
    down.body = BufferedBody(body)
    stream = HttpStream(down, StreamInfo(ConnectionInfo(Address.parse("127.0.0.1", 80), Address.parse("127.0.0.1", 40000))))
    stream.info.request = head
    return stream


def set_response(stream, status=200, headers=()):
    """Gives the stream a response, as before `on_response`."""
    stream.response = stream.info.response = head = ResponseHead()
    head.status = status
    _add(head, headers)


def _add(head, headers):
    for name, value in headers:
        head.add(*(text.encode("latin-1") if isinstance(text, str) else text for text in (name.lower(), value)))
