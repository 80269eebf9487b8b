"""StreamInfos for tests of what reads them."""
from types import SimpleNamespace

from gmosn.headers import HeaderMap, RequestHead, ResponseHead
from gmosn.io.address import Address
from gmosn.stream_info import ConnectionInfo, StreamInfo

WALL_US = 1795304420_148752           # 2026-11-21T23:40:20.148752Z


def request_head(method=b"GET", path=b"/", authority=b"h.test", headers=()):
    head = RequestHead()
    head.method, head.path, head.authority, head.scheme = method, path, authority, b"http"
    for name, value in headers:
        head.add(name, value)
    return head


def response_head(status=200, headers=()):
    head = ResponseHead()
    head.status = status
    for name, value in headers:
        head.add(name, value)
    return head


def header_map(*pairs):
    made = HeaderMap()
    made.items = list(pairs)
    return made


def tcp_info(**fields):
    """A StreamInfo of a TCP connection from 127.0.0.1:48518 to 127.0.0.1:10000."""
    connection = ConnectionInfo(Address.parse("127.0.0.1", 10000), Address.parse("127.0.0.1", 48518))
    connection.id = 7
    info = StreamInfo(connection)
    info.wall_us = WALL_US
    for name, value in fields.items():
        setattr(info, name, value)
    return info


def http_info(request=None, response=None, **fields):
    """A finished request that took 7 ms and went to 127.0.0.1:5678 of cluster "up"."""
    info = tcp_info()
    start = info.start_us
    info.request = request if request is not None else request_head()
    info.response = response if response is not None else response_head()
    info.status = info.response.status
    info.protocol = info.upstream_protocol = b"HTTP/1.1"
    info.details, info.attempts = b"via_upstream", 1
    info.request_end_us, info.upstream_start_us, info.upstream_sent_us = start + 1000, start + 2000, start + 3500
    info.upstream_first_byte_us, info.upstream_end_us = start + 5250, start + 6000
    info.response_start_us, info.end_us = start + 5500, start + 7999
    info.cluster = SimpleNamespace(name="up", observability_name="alt", metadata=None)
    address = Address.parse("127.0.0.1", 5678)
    info.upstream_host = SimpleNamespace(address=address, name=address.text, hostname="", metadata=None)
    info.upstream_local = Address.parse("127.0.0.1", 57770)
    for name, value in fields.items():
        setattr(info, name, value)
    return info
