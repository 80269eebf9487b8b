"""From format strings to operators: the grammar and the table of names. Error texts are Envoy's."""
import os
import re
import socket

from gmosn.errors import ConfigError
from gmosn.observe import log_values as values
from gmosn.observe.log_operators import (ADDRESSES, BYTES, DIGITS, NOW, NUMBERS, PORT, POINTS, REQUEST, RESPONSE,
                                         RESPONSE_TRAILERS, TEXTS, WHOLE, WITHOUT_PORT, AddressOperator,
                                         DurationOperator, FlagsOperator, HeaderOperator, NumberOperator,
                                         PythonOperator, TextOperator, TimeOperator)

# Patterns are compiled on first use (by re, which keeps them): start-up time.
COMMAND = r"%([A-Z][A-Z0-9_]*)(?:\(([^)\n]*)\))?(?::([0-9]+))?%"
HEADER_NAME = r"[^\x00-\x20\x7f-\xff]*"
FRACTION = r"%(?:E(\*|[0-9]+)([fS])|([1-9])?f)"
PRECISIONS = {"ms": (1, 1000), "us": (1, 1), "ns": (1000, 1)}
# begin, end: indices into POINTS
DURATIONS = {"DURATION": (0, NOW), "REQUEST_DURATION": (0, 1), "REQUEST_TX_DURATION": (0, 3),
             "RESPONSE_DURATION": (0, 4), "RESPONSE_TX_DURATION": (4, 7)}
HEADERS = {"REQ": REQUEST, "REQUEST_HEADER": REQUEST, "RESP": RESPONSE, "RESPONSE_HEADER": RESPONSE,
           "TRAILER": RESPONSE_TRAILERS, "RESPONSE_TRAILER": RESPONSE_TRAILERS}
# About TLS, the kernel's TCP or tracing: nothing is known until those exist, so they print "-" as in Envoy
MISSING = (r"(DOWNSTREAM|UPSTREAM)_(TLS_(VERSION|CIPHER|SESSION_ID|GROUP)|(PEER|LOCAL)_(SUBJECT|ISSUER|SERIAL|"
           r"(URI|DNS|IP|EMAIL|OTHERNAME)_SAN|CERT|CERT_V_START|CERT_V_END|FINGERPRINT_(1|256)|"
           r"CHAIN_FINGERPRINTS_(1|256)|CHAIN_SERIALS|ISSUER_SERIAL|ISSUER_FINGERPRINT_256))"
           r"|DOWNSTREAM_HANDSHAKE_DURATION|ROUNDTRIP_DURATION|TLS_JA[34]_FINGERPRINT|TRACE_ID|SPAN_ID"
           r"|UPSTREAM_SERVER_NAME")
WITH_PARAMETERS = r".*_CERT_V_(START|END)"
UNKNOWN_HERE = frozenset("""BYTES_RETRANSMITTED COALESCE CUSTOM_FLAGS DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT DOWNSTREAM_DETECTED_CLOSE_TYPE DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID
DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID DOWNSTREAM_LOCAL_CLOSE_REASON PACKETS_RETRANSMITTED UPSTREAM_CONNECTION_ID
UPSTREAM_CONNECTION_IDS_ATTEMPTED UPSTREAM_CONNECTION_POOL_READY_DURATION UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT UPSTREAM_DETECTED_CLOSE_TYPE UPSTREAM_FILTER_STATE UPSTREAM_HOSTS_ATTEMPTED
UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST_NAMES_ATTEMPTED UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT
UPSTREAM_LOCAL_CLOSE_REASON UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID START_TIME_LOCAL EMIT_TIME_LOCAL""".split())


def parse_format(text):
    """A list of bytes and Operators. `text`: str. Raises ConfigError."""
    parts, literal, at = [], "", 0
    command = re.compile(COMMAND).match
    while at < len(text):
        percent = text.find("%", at)
        if percent < 0:
            literal += text[at:]
            break
        literal += text[at:percent]
        if text.startswith("%%", percent):
            literal, at = literal + "%", percent + 2
            continue
        match = command(text, percent)
        if match is None:
            raise ConfigError(f"Incorrect configuration: {text}. Couldn't find valid command at position {percent}")
        if literal:
            parts.append(literal.encode())
            literal = ""
        made = operator(match[1], match[2] or "", None if match[3] is None else int(match[3]))
        parts.append(made)
        at = match.end()
    if literal:
        parts.append(literal.encode())
    return parts


def operator(name, argument, length):
    """One operator (or bytes, when its value never changes). `length`: the number behind a colon, or None."""
    if name in HEADERS:
        return _header(name, argument, length)
    if name in WITH_ARGUMENT:
        return WITH_ARGUMENT[name](name, argument, length)
    if name in UNKNOWN_HERE:
        raise ConfigError(f"%{name}% is not implemented")
    missing = re.fullmatch(MISSING, name)
    if missing and re.fullmatch(WITH_PARAMETERS, name):
        return PythonOperator(values.missing)
    plain = None
    if name in NUMBERS:
        plain = NumberOperator(NUMBERS.index(name))
    elif name in TEXTS:
        plain = TextOperator(TEXTS.index(name))
    elif name in DURATIONS:
        plain = DurationOperator(*DURATIONS[name])
    elif name in PLAIN:
        plain = PLAIN[name]()
    elif missing:
        plain = PythonOperator(values.missing)
    else:
        plain = _address(name)
    if plain is None:
        raise ConfigError(f"Not supported field in StreamInfo: {name}")
    if argument or length is not None:
        raise ConfigError(f"{name} does not take any parameters or length")
    return plain


def _address(name):
    for which, prefix in enumerate(ADDRESSES):
        forms = {f"{prefix}_ADDRESS": WHOLE, f"{prefix}_ADDRESS_WITHOUT_PORT": WITHOUT_PORT, f"{prefix}_PORT": PORT}
        if name in forms:
            return AddressOperator(which, forms[name])
    return None


def _needs(name, argument):
    if not argument:
        raise ConfigError(f"{name} requires parameters")


def _no_length(name, length):
    if length is not None:
        raise ConfigError(f"{name} does not allow length to be specified.")


def _header(name, argument, length):
    _needs(name, argument)
    main, *alternatives = argument.split("?")
    if len(alternatives) > 1:
        raise ConfigError(f"More than 1 alternative header specified in token: {argument}")
    if re.fullmatch(HEADER_NAME, argument) is None:
        raise ConfigError("Invalid header configuration. Format string contains invalid characters.")
    other = alternatives[0].lower().encode() if alternatives and alternatives[0] else None
    return HeaderOperator(HEADERS[name], main.lower().encode(), other, -1 if not length else length)


def _time(name, argument, length):
    _no_length(name, length)
    return TimeOperator(name == "EMIT_TIME", time_parts(argument))


def time_parts(text):
    """Parts for TimeOperator from a format of absl's FormatTime with Envoy's %f and %s. "" is Envoy's default."""
    if re.search(r"%[\s]*n", text):
        raise ConfigError("Invalid header configuration. Format string contains newline.")
    parts, at = [], 0
    text = (text or "%Y-%m-%dT%H:%M:%S.%3fZ").replace("%Ez", "+00:00")
    for match in re.finditer(FRACTION, text):
        stars, kind, digits = match.groups()
        plain = text[at:match.start()]
        if kind == "S":
            plain += "%S" + ("." if stars != "0" else "")
        parts.append((BYTES, plain))
        count = 6 if stars == "*" else int(stars) if stars is not None else int(digits or 9)
        parts.append((DIGITS, min(count, 9)))
        at = match.end()
    parts.append((BYTES, text[at:]))
    return parts


def _common_duration(name, argument, length):
    _needs(name, argument)
    points = argument.split(":")
    if not 2 <= len(points) <= 3:
        raise ConfigError(f"Invalid common duration configuration: {argument}.")
    precision = points[2] if len(points) == 3 else "ms"
    if precision not in PRECISIONS:
        raise ConfigError(f"Invalid common duration precision: {precision}.")
    for point in points[:2]:
        if point not in POINTS:
            raise ConfigError(f"COMMON_DURATION: the time point '{point}' is not implemented")
    return DurationOperator(POINTS.index(points[0]), POINTS.index(points[1]), *PRECISIONS[precision])


def _environment(name, argument, length):
    _needs(name, argument)
    return os.environb.get(argument.encode(), b"-")[:length]


def _hostname():
    return socket.gethostname().encode()


def _grpc_status(name, argument, length):
    forms = {"": values.CAMEL, "CAMEL_STRING": values.CAMEL, "SNAKE_STRING": values.SNAKE, "NUMBER": values.NUMBER}
    if argument not in forms:
        raise ConfigError(f"GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: {argument}")
    return values.grpc_status(forms[argument])


def _path(name, argument, length):
    query, _, which = argument.partition(":")
    which = which.partition(":")[0]
    if query not in ("", "WQ", "NQ"):
        raise ConfigError(f"Invalid PATH option: '{query}', only 'WQ'/'NQ' are allowed")
    if which not in ("", "ORIG", "PATH", "ORIG_OR_PATH"):
        raise ConfigError(f"Invalid PATH option: '{which}', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed")
    return values.path(query != "NQ", which or "ORIG_OR_PATH", length)


def _query_param(name, argument, length):
    _needs(name, argument)
    return values.query_param(argument.encode(), length)


def _query_params(name, argument, length):
    if argument not in ("", "ORIG", "DECODED"):
        raise ConfigError(f"Invalid QUERY_PARAMS option: '{argument}', only 'ORIG'/'DECODED' are allowed")
    return values.query_params(argument == "DECODED", length)


def _metadata_of(kind):
    def make(name, argument, length):
        _needs(name, argument)
        return values.metadata(kind, argument.split(":"), length)
    return make


def _metadata(name, argument, length):
    kind, _, rest = argument.partition(":")
    if kind not in values.METADATA_KINDS:
        raise ConfigError(f"{kind} is not supported type of metadata")
    return values.metadata(kind, rest.split(":"), length)


def _filter_state(name, argument, length):
    key, *rest = argument.split(":")
    if not key:
        raise ConfigError("Invalid filter state configuration, key cannot be empty.")
    form = rest[0] if rest else "TYPED"
    if form not in ("PLAIN", "TYPED", "FIELD"):
        raise ConfigError("Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.")
    if (form == "FIELD") != (len(rest) == 2):
        raise ConfigError("Invalid filter state serialize type, FIELD should be used with the field name.")
    return values.filter_state(key, form, rest[1] if form == "FIELD" else None, length)


def _details(name, argument, length):
    _no_length(name, length)
    if argument == "ALLOW_WHITESPACES":
        return PythonOperator(values.details)
    return TextOperator(TEXTS.index(name))


WITH_ARGUMENT = {
    "START_TIME": _time, "EMIT_TIME": _time, "COMMON_DURATION": _common_duration, "ENVIRONMENT": _environment,
    "GRPC_STATUS": _grpc_status, "PATH": _path, "QUERY_PARAM": _query_param, "QUERY_PARAMS": _query_params,
    "DYNAMIC_METADATA": _metadata_of("DYNAMIC"), "CLUSTER_METADATA": _metadata_of("CLUSTER"),
    "UPSTREAM_METADATA": _metadata_of("UPSTREAM_HOST"), "METADATA": _metadata, "FILTER_STATE": _filter_state,
    "RESPONSE_CODE_DETAILS": _details,
}
PLAIN = {
    "RESPONSE_FLAGS": lambda: FlagsOperator(False), "RESPONSE_FLAGS_LONG": lambda: FlagsOperator(True),
    "HOSTNAME": _hostname, "UNIQUE_ID": lambda: PythonOperator(values.unique_id),
    "ACCESS_LOG_TYPE": lambda: PythonOperator(values.access_log_type), "LOCAL_REPLY_BODY": lambda: b"",
    "GRPC_STATUS_NUMBER": lambda: values.grpc_status(values.NUMBER),
    "UPSTREAM_HOST_NAME": lambda: PythonOperator(values.upstream_host_name),
    "UPSTREAM_HOST_NAME_WITHOUT_PORT": lambda: PythonOperator(values.upstream_host_name_without_port),
}
