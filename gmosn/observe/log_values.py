"""Operators that are too rare to be compiled: gRPC status, paths and queries, metadata, filter state."""
import json
from urllib.parse import unquote_to_bytes

from gmosn.observe.log_operators import PythonOperator

CAMEL, SNAKE, NUMBER = range(3)
# Code, CamelCase name (source: grpc/status.h; "Canceled" with one l, as Envoy prints it)
GRPC_NAMES = ("OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
              "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
              "Internal", "Unavailable", "DataLoss", "Unauthenticated")
GRPC_SNAKE = ("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
              "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
              "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED")
# gRPC over HTTP/2: what a status without grpc-status means
GRPC_OF_HTTP = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}


def missing(info):
    return None


def unique_id(info):
    from uuid import uuid4                           # it takes 8 ms to import, and few formats name it
    return str(uuid4()).encode()


def details(info):
    return info.details


def access_log_type(info):
    if info.log_type is not None:
        return info.log_type
    return b"DownstreamEnd" if info.protocol is not None or info.request is not None else b"TcpConnectionEnd"


def upstream_host_name(info):
    host = info.upstream_host
    if host is None:
        return None
    return host.hostname.encode() if host.hostname else host.address.text


def upstream_host_name_without_port(info):
    host = info.upstream_host
    if host is None:
        return None
    return host.hostname.encode() if host.hostname else host.address.ip_text


def grpc_status_code(info):
    """The gRPC status of a gRPC request as int, or None: trailers, then headers, then the HTTP status."""
    content_type = info.request.get(b"content-type") if info.request is not None else None
    if content_type is None or not is_grpc(content_type):
        return None
    for head in (info.response_trailers, info.response):
        text = head.get(b"grpc-status") if head is not None else None
        if text is not None:
            return int(text) if text.isdigit() and len(text) < 10 else -1
    if not info.status:
        return None
    return 0 if info.status == 200 else GRPC_OF_HTTP.get(info.status, 2)


def is_grpc(content_type):
    rest = content_type.removeprefix(b"application/grpc")
    return rest != content_type and rest[:1] in (b"", b"+", b";")


def grpc_status(form):
    """GRPC_STATUS as CAMEL, SNAKE or NUMBER."""
    def value(info):
        code = grpc_status_code(info)
        if code is None:
            return None
        if form == NUMBER:
            return b"%d" % code
        names = GRPC_NAMES if form == CAMEL else GRPC_SNAKE
        if 0 <= code < len(names):
            return names[code].encode()
        return b"InvalidCode" if code < 0 else b"%d" % code
    return PythonOperator(value, is_number=form == NUMBER)


def path(with_query, which, length):
    """PATH. `which`: "ORIG", "PATH" or "ORIG_OR_PATH"; ORIG is x-envoy-original-path."""
    def value(info):
        if info.request is None:
            return None
        found = None
        if which != "PATH":
            found = info.request.get(b"x-envoy-original-path") or info.original_path
        if found is None and which != "ORIG":
            found = info.request.path
        if found is None:
            return None
        return (found if with_query else found.partition(b"?")[0])[:length]
    return PythonOperator(value)


def query(info):
    """What follows the question mark of the path, or None."""
    if info.request is None or info.request.path is None:
        return None
    _, mark, rest = info.request.path.partition(b"?")
    return rest.partition(b"#")[0] if mark else None


def query_param(name, length):
    def value(info):
        for pair in (query(info) or b"").split(b"&"):
            key, _, text = pair.partition(b"=")
            if unquote_to_bytes(key) == name and pair:
                return unquote_to_bytes(text)[:length]
        return None
    return PythonOperator(value, blank_is_missing=True)


def query_params(decoded, length):
    def value(info):
        text = query(info)
        if text is None:
            return None
        return (unquote_to_bytes(text) if decoded else text)[:length]
    return PythonOperator(value)


METADATA_KINDS = {
    "DYNAMIC": lambda info: info.metadata,
    "CLUSTER": lambda info: getattr(info.cluster, "metadata", None),
    "ROUTE": lambda info: getattr(info.route, "metadata", None),
    "UPSTREAM_HOST": lambda info: getattr(info.upstream_host, "metadata", None),
    "LISTENER": lambda info: info.connection.listener_metadata,
    "VIRTUAL_HOST": lambda info: getattr(info.virtual_host, "metadata", None),
}


def metadata(kind, keys, length):
    """Dynamic metadata (nested dicts), or that of configuration (envoy.config.core.v3.Metadata), at `keys`."""
    source = METADATA_KINDS[kind]

    def find(info):
        return walk(source(info), keys)

    def value(info):
        found = find(info)
        if found is None:
            return None
        text = found.encode("utf-8", "surrogateescape") if isinstance(found, str) else to_json(found)
        return text[:length]

    def as_json(info):
        found = find(info)
        if found is None:
            return None
        return to_json(found)
    return PythonOperator(value, as_json)


def walk(found, keys):
    """The plain value at `keys` below a Metadata message, a Struct or a dict, or None."""
    fields = getattr(found, "filter_metadata", found)
    for key in keys:
        if message_name(fields) == "Value":
            fields = fields.struct_value if fields.WhichOneof("kind") == "struct_value" else None
        if message_name(fields) == "Struct":
            fields = fields.fields
        if fields is None or not hasattr(fields, "items") or key not in fields:
            return None
        fields = fields[key]
    return plain_value(fields)


def plain_value(found):
    """A google.protobuf Value, Struct or ListValue as Python values; anything else as it is."""
    kind = message_name(found)
    if kind == "Value":
        which = found.WhichOneof("kind")
        return None if which in (None, "null_value") else plain_value(getattr(found, which))
    if kind == "Struct":
        return {key: plain_value(inner) for key, inner in found.fields.items()}
    if kind == "ListValue":
        return [plain_value(inner) for inner in found.values]
    return found


def message_name(found):
    """"Struct", "Value", "ListValue" ... of a protobuf message, else ""."""
    descriptor = getattr(found, "DESCRIPTOR", None)
    return descriptor.name if descriptor is not None else ""


def to_json(value):
    return json.dumps(simple(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def simple(value):
    """For JSON: whole floats are ints, bytes are text, unknown objects are their str()."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, dict):
        return {str(key): simple(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [simple(inner) for inner in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def filter_state(key, form, field, length):
    """FILTER_STATE: an object that a filter put into StreamInfo.filter_state. PLAIN is its text, TYPED its JSON, FIELD
    one entry of a dict or one attribute."""
    def find(info):
        found = info.filter_state.get(key) if info.filter_state else None
        if field is not None and found is not None:
            found = found.get(field) if isinstance(found, dict) else getattr(found, field, None)
        return found

    def value(info):
        found = find(info)
        if found is None:
            return None
        if isinstance(found, bytes) and form != "TYPED":
            return found[:length]
        text = str(simple(found)).encode("utf-8", "surrogateescape") if form != "TYPED" else to_json(found)
        return text[:length]

    def as_json(info):
        found = find(info)
        return None if found is None else to_json(found if form == "TYPED" else str(simple(found)))
    return PythonOperator(value, as_json)
