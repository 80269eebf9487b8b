# hot: http1_get
"""What an HTTP connection manager does to a request's head before routing, and to a response's head before it is sent.

Sanitizes what clients must not forge (x-envoy-*, x-forwarded-*, x-request-id), notes who the client is, normalizes the
path and the authority. Built from the HCM message by request_rules_config. Source: Envoy's conn_manager_utility and
docs "http_conn_man/headers"; compared with the real Envoy in tests/differential.
"""
import os
import re
import time

import cython

from gmosn.filter.api import Response
from gmosn.proxy.path_rules import (
    KEEP,
    REJECT,
    UNESCAPE_AND_REDIRECT,
    canonical_path,
    merge_slashes,
    split_path,
    unescape_slashes,
)
from gmosn.proxy.referer import is_valid_referer

if not cython.compiled:
    from gmosn.ascii import ascii_int
    from gmosn.clock import wall_us
    from gmosn.proxy.route import without_port

OVERWRITE, APPEND_IF_ABSENT, PASS_THROUGH = range(3)         # server_header_transformation
STRIP_NONE, STRIP_MATCHING, STRIP_ANY = range(3)
XFF, XFP, XFCC, REQUEST_ID = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-client-cert", b"x-request-id"

# Removed from requests that do not come from inside; the second set only where clients from outside connect directly
EXTERNAL = frozenset(b"x-envoy-" + name for name in (
    b"internal retriable-status-codes retriable-header-names retry-on retry-grpc-on max-retries upstream-alt-stat-name "
    b"upstream-rq-timeout-ms upstream-rq-per-try-timeout-ms upstream-rq-timeout-alt-response expected-rq-timeout-ms "
    b"force-trace ip-tags original-url hedge-on-per-try-timeout upstream-stream-duration-ms").split())
EDGE = EXTERNAL | frozenset(b"x-envoy-" + name for name in (
    b"downstream-service-cluster downstream-service-node original-path original-host decorator-operation").split())
# Envoy's router takes these from internal requests as orders and removes them; ours takes no orders from headers yet
INTERNAL = EXTERNAL - frozenset((b"x-envoy-force-trace", b"x-envoy-ip-tags", b"x-envoy-original-url"))

SAFE_BYTES = rb"!$&'()*+,\-./0-9:;=@A-Z_a-z~\[\]"
UNCLEAN = re.compile(rb"[^" + SAFE_BYTES + rb"]|/\.|//")
SAFE = bytes(bool(re.match(rb"[" + SAFE_BYTES + rb"]", bytes([_byte]))) for _byte in range(256))
HEX = b"0123456789abcdef"
DAYS = b"Mon Tue Wed Thu Fri Sat Sun".split()
MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class UuidSource:
    """Random (version 4) UUIDs; one system call per 256 of them."""

    def __init__(self):
        self.pool = b""
        self.at = 0

    def next(self):
        """36 bytes."""
        i: cython.int
        j: cython.int = 0
        byte: cython.int
        at: cython.Py_ssize_t = self.at
        pool: bytes
        if at >= len(self.pool):
            self.pool = os.urandom(4096)
            at = 0
        self.at = at + 16
        pool = self.pool
        if not cython.compiled:
            raw = bytearray(pool[at:at + 16])
            raw[6] = raw[6] & 0x0F | 0x40
            raw[8] = raw[8] & 0x3F | 0x80
            text = raw.hex()
            return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()
        out: cython.char[36]
        source: cython.p_const_uchar = cython.cast(cython.p_const_uchar, cython.cast(cython.p_const_char, pool)) + at
        digits: cython.p_const_char = HEX
        for i in range(16):
            byte = source[i]
            if i == 6:
                byte = byte & 0x0F | 0x40
            elif i == 8:
                byte = byte & 0x3F | 0x80
            if i == 4 or i == 6 or i == 8 or i == 10:
                out[j] = 45
                j += 1
            out[j] = digits[byte >> 4]
            out[j + 1] = digits[byte & 15]
            j += 2
        return PyBytes_FromStringAndSize(out, 36)


class RequestRules:
    """`apply` to every request head, `finish_response` to every response head. Fields: see request_rules_config."""

    def __init__(self):
        self.generate_id = True
        self.server_name = b"envoy"
        self.ids = UuidSource()
        self.escaped_slashes = KEEP

    @classmethod
    def from_proto(cls, hcm, context):
        """From an HttpConnectionManager message. Raises ConfigError(s)."""
        from gmosn.proxy.request_rules_config import build_request_rules
        return build_request_rules(hcm, context)

    def apply(self, request, connection, info):
        """Changes the head in place, sets `info.remote` and `info.request_id`. A Response refuses the request."""
        t: tuple
        name: bytes
        xff: bytes = None
        xfp: bytes = None
        request_id: bytes = None
        envoy: cython.bint = False
        several: cython.bint = False
        edge: cython.bint
        first: cython.int
        reply = self._path(request)
        if reply is not None:
            return reply
        if (request.absolute and self.use_remote_address and self.trusted_hops == 0 and request.scheme == b"https"
                and connection.tls is None):
            return Response(403, b"Forbidden", details="http1.https_url_on_plaintext_connection", flag="DPE")
        if self.strip_dot or self.strip_port:
            self._host(request, connection)
        for t in request.items:
            name = t[0]
            first = name[0] if len(name) > 6 else 0
            if first == 120:                              # x
                if name == XFF:
                    several = several or xff is not None
                    xff = t[1] if xff is None else xff + b"," + t[1]
                elif name == XFP:
                    several = several or xfp is not None
                    xfp = t[1] if xfp is None else xfp + b"," + t[1]
                elif name == REQUEST_ID:
                    request_id = t[1]
                elif name == XFCC or name.startswith(b"x-envoy-"):
                    envoy = True
            elif first == 114 and name == b"referer" and not is_valid_referer(t[1]):
                envoy = True
        if several:                                       # one line each, as Envoy sends them on
            _join(request, xff, xfp)
        if xfp is not None and not xfp and self.scheme is None and (not self.use_remote_address or self.trusted_hops):
            return Response(404, b"", details="route_not_found", flag="NR")
        edge = self._forwarded(request, connection, info, xff, xfp, envoy)
        self._identity(request, info, request_id, edge)
        return None

    def _path(self, request):
        """None, or the Response to a path that is refused."""
        path: bytes = request.path
        if path is None:
            return None
        if b"#" in path:
            return Response(400, b"", details="path_normalization_failed")
        if self.looks_at_path and not _clean(path):
            return self._slow_path(request)
        return None

    def _slow_path(self, request):
        redirect: cython.bint = False
        path, query = split_path(request.path)
        if self.escaped_slashes > KEEP:
            plain = unescape_slashes(path)
            if plain != path:
                if self.escaped_slashes == REJECT:
                    return Response(400, b"", details="path_normalization_failed")
                redirect = self.escaped_slashes == UNESCAPE_AND_REDIRECT
                path = plain
        if self.normalize_path:
            path = canonical_path(path)
            if path is None:
                return Response(400, b"", details="path_normalization_failed")
        if self.merge_slashes:
            path = merge_slashes(path)
        request.path = path + query
        if redirect:
            return Response(307, b"", [(b"location", request.path)], details="path_normalization_failed")
        return None

    def _host(self, request, connection):
        """strip_trailing_host_dot, then the ports. A CONNECT keeps its port."""
        host: bytes = request.authority
        bare: bytes
        if host is None:
            return
        if self.strip_dot:
            bare = without_port(host)
            if bare.endswith(b"."):
                host = bare[:len(bare) - 1] + host[len(bare):]
        if self.strip_port and request.method != b"CONNECT":
            bare = without_port(host)
            if len(bare) < len(host) and (self.strip_port == STRIP_ANY
                                          or int(host[len(bare) + 1:]) == connection.local.port):
                host = bare
        request.authority = host

    def _forwarded(self, request, connection, info, xff, xfp, envoy):
        """x-forwarded-*, the client's address, x-envoy-*. True for a request from outside at the edge."""
        trusted: cython.bint = False
        internal: cython.bint = False
        address = None
        if self.use_remote_address:
            trusted = xff is None
            if self.trusted_hops > 0 and xff is not None:
                address = address_from_xff(xff, self.trusted_hops - 1)
            if not self.skip_xff_append:
                xff = self._append_xff(request, connection, xff)
            if xfp is None or self.trusted_hops == 0:
                xfp = b"https" if connection.tls is not None else b"http"
                request.set(XFP, xfp)
        else:
            if xff is not None:
                address = address_from_xff(xff, self.trusted_hops)
                trusted = address is not None and self.trusted_hops == 0 and b"," not in xff
            if xfp is None:
                xfp = b"https" if connection.tls is not None else b"http"
                request.items.append((XFP, xfp))
        if self.append_port and connection.local.port and (
                (self.use_remote_address and self.trusted_hops == 0) or request.get(b"x-forwarded-port") is None):
            request.set(b"x-forwarded-port", ascii_int(connection.local.port))
        self._scheme(request, connection, xfp)
        if address is None:
            address = connection.remote
        info.remote = address
        if trusted and self.internal is not None:
            internal = self._is_internal(address)
        edge: cython.bint = not internal and self.use_remote_address
        if envoy:
            _drop(request, edge, internal)
            if not self.keep_client_cert:
                request.remove(XFCC)
        if internal:
            request.items.append((b"x-envoy-internal", b"true"))
        if self.add_user_agent:
            self._name_ourselves(request)
        if self.via is not None:
            append_via(request, self.via)
        if edge and address.ip:
            request.set(b"x-envoy-external-address", address.ip_text)
        return edge

    def _append_xff(self, request, connection, xff):
        """Appends the peer; a client on this machine is named by the machine's own address, as in Envoy."""
        remote = connection.remote
        if remote.family == "unix":
            return xff
        own: bytes = self.own_address if remote.is_loopback else remote.ip_text
        if self.map_ipv4 and remote.family == "ipv4" and not remote.is_loopback:
            own = b"::ffff:" + own
        xff = own if not xff else xff + b"," + own
        request.set(XFF, xff)
        return xff

    def _scheme(self, request, connection, xfp):
        lower: bytes
        if self.scheme is not None:
            request.scheme = self.scheme
            request.set(XFP, self.scheme)
            return
        if request.absolute and request.scheme is not None:
            return
        if xfp == b"http" or xfp == b"https":
            request.scheme = xfp
            return
        lower = xfp.lower()
        if lower == b"http" or lower == b"https":
            request.scheme = lower
        else:
            request.scheme = b"https" if connection.tls is not None else b"http"

    def _name_ourselves(self, request):
        """add_user_agent."""
        request.set(b"x-envoy-downstream-service-cluster", self.service_cluster)
        if not request.get(b"user-agent"):
            request.set(b"user-agent", self.service_cluster)
        if self.service_node:
            request.set(b"x-envoy-downstream-service-node", self.service_node)

    def _identity(self, request, info, request_id, edge):
        """x-request-id: always a new one for a client outside, unless preserve_external_request_id."""
        if self.generate_id:
            if request_id is None:
                request_id = self.ids.next()
                request.items.append((REQUEST_ID, request_id))
            elif edge and not self.preserve_id:
                request_id = self.ids.next()
                request.set(REQUEST_ID, request_id)
        info.request_id = request_id

    def _is_internal(self, address):
        if address.family == "unix":
            return self.internal_unix
        return self.internal.contains(address)

    def finish_response(self, head, info):
        """Adds server, date, via and, if asked for, x-request-id."""
        if self.always_set_id or self.internal is not None:
            self._response_id(head, info)
        if self.via is not None:
            append_via(head, self.via)
        if head.get(b"date") is None:
            self._set_date(head)
        if self.server_mode == OVERWRITE:
            head.set(b"server", self.server_name)
        elif self.server_mode == APPEND_IF_ABSENT and head.get(b"server") is None:
            head.items.append((b"server", self.server_name))

    def _response_id(self, head, info):
        if info.request is not None and (self.always_set_id or info.request.get(b"x-envoy-force-trace") is not None):
            value = info.request.get(REQUEST_ID)
            if value is not None:
                head.set(REQUEST_ID, value)

    def _set_date(self, head):
        now: cython.longlong = wall_us() // 1000000
        if now != self.date_second:
            t = time.gmtime(now)
            self.date = b"%s, %02d %s %04d %02d:%02d:%02d GMT" % (
                DAYS[t.tm_wday], t.tm_mday, MONTHS[t.tm_mon - 1], t.tm_year, t.tm_hour, t.tm_min, t.tm_sec)
            self.date_second = now
        head.items.append((b"date", self.date))


def _clean(path):
    """True when no path rule could change this path (query not looked at)."""
    i: cython.Py_ssize_t
    size: cython.Py_ssize_t = len(path)
    if not cython.compiled:
        return UNCLEAN.search(path, 0, path.find(b"?") if b"?" in path else size) is None
    byte: cython.uchar
    previous: cython.uchar = 0
    text: cython.p_const_uchar = cython.cast(cython.p_const_uchar, cython.cast(cython.p_const_char, path))
    safe: cython.p_const_char = SAFE
    for i in range(size):
        byte = text[i]
        if byte == 63:
            return True
        if not safe[byte] or (previous == 47 and (byte == 46 or byte == 47)):
            return False
        previous = byte
    return True


def _drop(request, edge, internal):
    """Removes the x-envoy-* headers that this client may not set, and an invalid Referer."""
    unwanted: frozenset = INTERNAL if internal else EDGE if edge else EXTERNAL
    request.items = [(name, value) for name, value in request.items
                     if name not in unwanted and (name != b"referer" or is_valid_referer(value))]


def _join(request, xff, xfp):
    if xff is not None:
        request.set(XFF, xff)
    if xfp is not None:
        request.set(XFP, xfp)


def append_via(headers, name):
    """Appends to the via header, as Envoy does."""
    old = headers.get(b"via")
    headers.set(b"via", old + b", " + name if old else name)


def address_from_xff(value, skip):
    """The last address of an x-forwarded-for value but `skip`; None when there is none or it is malformed."""
    from gmosn.io.address import Address
    parts = value.split(b",")
    if len(parts) <= skip:
        return None
    try:
        return Address.parse(parts[len(parts) - 1 - skip].strip().decode("latin-1"))
    except ValueError:
        return None


if not cython.compiled:
    for _name in ("use_remote_address skip_xff_append append_port preserve_id always_set_id add_user_agent normalize_path "
                  "merge_slashes strip_dot keep_client_cert internal_unix map_ipv4 looks_at_path trusted_hops server_mode "
                  "strip_port date_second").split():
        setattr(RequestRules, _name, 0)
    for _name in "via service_cluster service_node scheme own_address internal date".split():
        setattr(RequestRules, _name, None)
