"""A request and a response of the admin, as its pages see them: no sockets, so pages are plain functions."""
import json
from urllib.parse import unquote

TEXT = "text/plain; charset=UTF-8"
PLAIN = "text/plain"
JSON = "application/json"
HTML = "text/html; charset=UTF-8"


class AdminRequest:
    """`method`: str; `path`: without the query; `query`: list of (name, value), decoded; `body`: bytes;
    `content_type`: str, "" when not given."""

    def __init__(self, method="GET", target="/", body=b"", content_type=""):
        self.method = method
        self.path, _, query = target.partition("?")
        self.query = parse_query(query)
        self.body = body
        self.content_type = content_type

    def first(self, name, default=None):
        """The first value of a parameter."""
        for key, value in self.query:
            if key == name:
                return value
        return default

    def has(self, name):
        return any(key == name for key, _ in self.query)


class AdminResponse:
    """`body`: str or bytes; `headers`: pairs that come before the common ones."""

    def __init__(self, body="", status=200, content_type=TEXT, headers=()):
        self.body = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else body
        self.status = status
        self.content_type = content_type
        self.headers = list(headers)


OK = "OK\n"


def parse_query(text):
    """"a=1&b" -> [("a", "1"), ("b", "")]. Only %XX is decoded: + stays, regular expressions need it."""
    return [(unquote(name), unquote(value)) for name, _, value in (
        part.partition("=") for part in text.split("&") if part)]


def json_response(value, status=200):
    """Envoy's layout: one space of indent and a line end."""
    return AdminResponse(json.dumps(value, indent=1, ensure_ascii=False) + "\n", status, JSON)
