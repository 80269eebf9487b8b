"""The commands of access-log formats: name -> Operator (source: Envoy's documentation of access-log command operators)."""
import json
import os
import socket

from gmosn.errors import ConfigError
from gmosn.observe.log_operators import (ATTEMPTS, CODE, DURATION, RECEIVED, REQUEST, REQUEST_DURATION, REQUEST_TX_DURATION,
                                         RESPONSE, RESPONSE_DURATION, RESPONSE_TX_DURATION, SENT, TRAILERS, Call, Flags,
                                         Header, Number, UpstreamHost)
from gmosn.observe.log_times import DURATIONS, time_operator

NUMBERS = {"RESPONSE_CODE": CODE, "BYTES_RECEIVED": RECEIVED, "BYTES_SENT": SENT, "DURATION": DURATION,
           "REQUEST_DURATION": REQUEST_DURATION, "RESPONSE_DURATION": RESPONSE_DURATION,
           "RESPONSE_TX_DURATION": RESPONSE_TX_DURATION, "REQUEST_TX_DURATION": REQUEST_TX_DURATION,
           "UPSTREAM_REQUEST_ATTEMPT_COUNT": ATTEMPTS}
HEADERS = {"REQ": REQUEST, "RESP": RESPONSE, "TRAILER": TRAILERS}
# numbers that are plain attributes of StreamInfo
COUNTS = {"REQUEST_HEADERS_BYTES": "downstream_head_received", "RESPONSE_HEADERS_BYTES": "downstream_head_sent",
          "DOWNSTREAM_WIRE_BYTES_RECEIVED": "downstream_wire_received",
          "DOWNSTREAM_WIRE_BYTES_SENT": "downstream_wire_sent",
          "DOWNSTREAM_HEADER_BYTES_RECEIVED": "downstream_head_received",
          "DOWNSTREAM_HEADER_BYTES_SENT": "downstream_head_sent",
          "UPSTREAM_WIRE_BYTES_RECEIVED": "upstream_wire_received", "UPSTREAM_WIRE_BYTES_SENT": "upstream_wire_sent",
          "UPSTREAM_HEADER_BYTES_RECEIVED": "upstream_head_received", "UPSTREAM_HEADER_BYTES_SENT": "upstream_head_sent"}
TEXTS = {"PROTOCOL": "protocol", "RESPONSE_CODE_DETAILS": "details", "ROUTE_NAME": "route_name",
         "CONNECTION_TERMINATION_DETAILS": "termination_details",
         "UPSTREAM_TRANSPORT_FAILURE_REASON": "upstream_failure", "UPSTREAM_PROTOCOL": "upstream_protocol",
         "VIRTUAL_CLUSTER_NAME": "virtual_cluster", "VIRTUAL_HOST_NAME": "virtual_host", "UNIQUE_ID": "request_id"}
# addresses: where they are (StreamInfo attribute or one of its connection)
ADDRESSES = {"DOWNSTREAM_REMOTE": ("", "remote"), "DOWNSTREAM_LOCAL": ("connection", "local"),
             "DOWNSTREAM_DIRECT_REMOTE": ("connection", "direct_remote"),
             "DOWNSTREAM_DIRECT_LOCAL": ("connection", "local"),
             "UPSTREAM_LOCAL": ("", "upstream_local"), "UPSTREAM_REMOTE": ("upstream_host", "address")}
# nothing of TLS is known yet: these have no value
TLS = {f"{side}_{what}" for side in ("DOWNSTREAM", "UPSTREAM") for what in (
    "TLS_VERSION", "TLS_CIPHER", "TLS_SESSION_ID", "PEER_SUBJECT", "PEER_ISSUER", "PEER_URI_SAN", "PEER_DNS_SAN",
    "PEER_IP_SAN", "PEER_CERT", "LOCAL_SUBJECT", "LOCAL_URI_SAN", "LOCAL_DNS_SAN", "PEER_CERT_V_START",
    "PEER_CERT_V_END", "PEER_FINGERPRINT_256", "PEER_FINGERPRINT_1", "PEER_SERIAL", "LOCAL_IP_SAN")} | {
    "TLS_JA3_FINGERPRINT", "TLS_JA4_FINGERPRINT"}
GRPC_CODES = ("OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied "
              "ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss "
              "Unauthenticated").split()


def operator_for(name, argument, limit):
    """The Operator of %name(argument):limit%. `argument`: text between the parentheses or None; `limit`: int or None.

    Raises ConfigError("Not supported field in StreamInfo: NAME") for an unknown name.
    """
    if name in HEADERS:
        return _header(name, HEADERS[name], argument, limit)
    if name in ("START_TIME", "EMIT_TIME"):
        return time_operator(name, argument)
    if name in _WITH_ARGUMENT:
        if not argument:
            raise ConfigError(f"{name} requires parameters")
        return _limited(_WITH_ARGUMENT[name](argument), limit)
    operator = _plain(name, argument)
    if operator is None:
        raise ConfigError(f"Not supported field in StreamInfo: {name}")
    if argument is not None and name not in _OPTIONAL_ARGUMENT:
        raise ConfigError(f"{name} does not allow parameters")
    return operator


def _plain(name, argument):
    if name in NUMBERS:
        return Number(NUMBERS[name])
    if name in COUNTS:
        attribute = COUNTS[name]
        return Call(lambda info: getattr(info, attribute), True)
    if name in TEXTS:
        attribute = TEXTS[name]
        return Call(lambda info: getattr(info, attribute) or None)
    if name in ("RESPONSE_FLAGS", "RESPONSE_FLAGS_LONG"):
        return Flags(name.endswith("LONG"))
    if name == "UPSTREAM_HOST":
        return UpstreamHost()
    if name in TLS:
        return Call(_nothing)
    if name in _FUNCTIONS:
        function, numeric = _FUNCTIONS[name]
        return Call(function, numeric)
    if name in ("GRPC_STATUS", "GRPC_STATUS_NUMBER"):
        return _grpc(name, argument)
    return _address(name)


def _header(name, where, argument, limit):
    if not argument:
        raise ConfigError(f"{name} requires parameters")
    first, _, other = argument.partition("?")
    if "?" in other:
        raise ConfigError(f"More than 1 alternative header specified in token: {argument}")
    return Header(where, first.lower().encode(), other.lower().encode() if other else None, -1 if limit is None else limit)


def _limited(function, limit):
    if limit is None:
        return Call(function)
    return Call(lambda info: _cut(function(info), limit))


def _cut(value, limit):
    return value if value is None else value[:limit]


def _nothing(info):
    return None


def _address(name):
    """<SIDE>_ADDRESS, <SIDE>_ADDRESS_WITHOUT_PORT, <SIDE>_PORT."""
    for side, (holder, attribute) in ADDRESSES.items():
        if not name.startswith(side + "_"):
            continue
        part = name[len(side) + 1:]
        if part not in ("ADDRESS", "ADDRESS_WITHOUT_PORT", "PORT"):
            return None

        def find(info):
            owner = getattr(info, holder) if holder else info
            address = getattr(owner, attribute) if owner is not None else None
            if address is None:
                return None
            if part == "ADDRESS":
                return address.text
            if address.family == "unix":
                return None if part == "PORT" else address.text
            return address.port if part == "PORT" else address.ip.encode()
        return Call(find, part == "PORT")
    return None


# ---- functions of StreamInfo ----

def _cluster(info):
    return info.cluster.observability_name if info.cluster is not None else None


def _cluster_raw(info):
    return info.cluster.name if info.cluster is not None else None


def _host_name(info):
    host = info.upstream_host
    return None if host is None else host.hostname or host.name


def _of_connection(attribute):
    def find(info):
        return getattr(info.connection, attribute) if info.connection is not None else None
    return find


_HOSTNAME = socket.gethostname()
_FUNCTIONS = {
    "UPSTREAM_CLUSTER": (_cluster, False), "UPSTREAM_CLUSTER_RAW": (_cluster_raw, False),
    "UPSTREAM_HOST_NAME": (_host_name, False),
    "CONNECTION_ID": (_of_connection("id"), True), "REQUESTED_SERVER_NAME": (_of_connection("sni"), False),
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON": (_of_connection("transport_failure"), False),
    "FILTER_CHAIN_NAME": (_of_connection("filter_chain_name"), False),
    "HOSTNAME": (lambda info: _HOSTNAME, False),
    "ACCESS_LOG_TYPE": (lambda info: "TcpConnectionEnd" if info.request is None else "DownstreamEnd", False),
}


def _environment(argument):
    name, _, _ = argument.partition(":")
    value = os.environ.get(name)
    return lambda info: value


def _metadata_text(value):
    """A Struct's value as Envoy prints it: strings bare, the rest as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def _descend(value, keys):
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def _dynamic_metadata(argument):
    keys = argument.split(":")
    return lambda info: _metadata_text(_descend(info.metadata, keys)) if info.metadata else None


def _filter_state(argument):
    name, _, _ = argument.partition(":")

    def find(info):
        value = (info.filter_state or {}).get(name)
        return value if value is None or isinstance(value, bytes) else str(value)
    return find


def _metadata_of(holder):
    def build(argument):
        keys = argument.split(":")

        def find(info):
            owner = getattr(info, holder)
            return _metadata_text(_descend(owner.metadata, keys)) if owner is not None and owner.metadata else None
        return find
    return build


def _metadata(argument):
    """METADATA(TYPE:namespace:key...)."""
    kind, _, rest = argument.partition(":")
    holders = {"CLUSTER": "cluster", "ROUTE": "route", "UPSTREAM_HOST": "upstream_host"}
    if kind == "DYNAMIC":
        return _dynamic_metadata(rest)
    if kind not in holders:
        raise ConfigError(f"{kind} is not supported type of METADATA")
    return _metadata_of(holders[kind])(rest)


def _path(argument):
    """PATH(WQ|NQ) or PATH(WQ:ORIG|PATH|ORIG_OR_PATH)."""
    query, _, which = argument.partition(":")
    if query not in ("WQ", "NQ", "") or which not in ("", "ORIG", "PATH", "ORIG_OR_PATH"):
        raise ConfigError(f"Invalid PATH option: '{argument}', only 'WQ'/'NQ' and 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed")

    def find(info):
        path = None
        if info.request is None:
            return None
        if which != "PATH":
            path = info.request.get(b"x-envoy-original-path")
        if path is None and which != "ORIG":
            path = info.request.path
        return path if path is None or query != "NQ" else path.partition(b"?")[0]
    return find


def _query_param(argument):
    name = argument.encode()

    def find(info):
        if info.request is None or not info.request.path:
            return None
        for pair in info.request.path.partition(b"?")[2].partition(b"#")[0].split(b"&"):
            key, _, value = pair.partition(b"=")
            if key == name:
                return value
        return None
    return find


def _common_duration(argument):
    """COMMON_DURATION(START:END:PRECISION): the time between two points, in ms, us or ns."""
    start, _, rest = argument.partition(":")
    end, _, precision = rest.partition(":")
    scale = {"": 1000, "ms": 1000, "us": 1, "ns": 0}.get(precision)
    if start not in DURATIONS or end not in DURATIONS or scale is None:
        raise ConfigError(f"Invalid COMMON_DURATION configuration: {argument}.")
    first, last = DURATIONS[start], DURATIONS[end]

    def find(info):
        begin, finish = getattr(info, first), getattr(info, last)
        if not begin or not finish:
            return None
        return (finish - begin) // scale if scale else (finish - begin) * 1000
    return find


def _grpc(name, argument):
    form = argument or "CAMEL_STRING"
    if form not in ("CAMEL_STRING", "SNAKE_STRING", "NUMBER"):
        raise ConfigError(f"GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got {argument}")
    if name == "GRPC_STATUS_NUMBER":
        form = "NUMBER"

    def find(info):
        text = None
        for fields in (info.response_trailers, info.response):
            text = fields.get(b"grpc-status") if text is None and fields is not None else text
        if text is None or not text.isdigit():
            return None
        code = int(text)
        if form == "NUMBER" or code >= len(GRPC_CODES):
            return code
        word = GRPC_CODES[code]
        return word if form == "CAMEL_STRING" else "".join(
            "_" + c if c.isupper() and n else c for n, c in enumerate(word)).upper()
    return Call(find, form == "NUMBER")


_WITH_ARGUMENT = {
    "ENVIRONMENT": _environment, "DYNAMIC_METADATA": _dynamic_metadata, "FILTER_STATE": _filter_state,
    "CLUSTER_METADATA": _metadata_of("cluster"), "UPSTREAM_METADATA": _metadata_of("upstream_host"),
    "METADATA": _metadata, "PATH": _path, "QUERY_PARAM": _query_param, "COMMON_DURATION": _common_duration,
}
_OPTIONAL_ARGUMENT = {"GRPC_STATUS"}
