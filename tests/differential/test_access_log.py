"""The same access log configuration in Envoy and in gmosn: the same requests must leave the same lines."""
import re
from contextlib import ExitStack

from tests.helpers.client import Client
from tests.helpers.configs import FILE_LOG, bootstrap, cluster, direct, hcm, listener, route
from tests.helpers.proxy import envoy, proxy
from tests.helpers.timing import eventually
from tests.helpers.upstream import HttpUpstream

STABLE = """REQ(:METHOD) REQ(X-ENVOY-ORIGINAL-PATH?:PATH) REQ(:AUTHORITY) REQ(X-A):3 REQ(NO?X-A) REQ(HOST) PROTOCOL RESPONSE_CODE
RESPONSE_CODE_DETAILS RESPONSE_FLAGS RESPONSE_FLAGS_LONG BYTES_RECEIVED BYTES_SENT RESP(X-R) RESP(:STATUS)
TRAILER(X-T) UPSTREAM_HOST UPSTREAM_CLUSTER UPSTREAM_PROTOCOL UPSTREAM_REQUEST_ATTEMPT_COUNT ROUTE_NAME
DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT UPSTREAM_REMOTE_ADDRESS UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT
PATH(NQ) QUERY_PARAM(q) QUERY_PARAMS ACCESS_LOG_TYPE REQUESTED_SERVER_NAME DOWNSTREAM_TLS_VERSION FILTER_CHAIN_NAME
GRPC_STATUS GRPC_STATUS_NUMBER CONNECTION_TERMINATION_DETAILS DYNAMIC_METADATA(a:b) FILTER_STATE(x) VIRTUAL_CLUSTER_NAME
REQUEST_HEADERS_BYTES START_TIME(%Y)""".split()
NUMBERS = "DURATION REQUEST_DURATION RESPONSE_DURATION RESPONSE_TX_DURATION".split()
REQUESTS = [
    b"GET /up?q=%41&r HTTP/1.1\r\nHost: h.test\r\nX-A: abcdef\r\nConnection: close\r\n\r\n",
    b"POST /up HTTP/1.1\r\nHost: h.test\r\nX-A: \xc3\xa9\"\\\t\xff\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    b"GET /grpc HTTP/1.1\r\nHost: h.test\r\nContent-Type: application/grpc\r\nConnection: close\r\n\r\n",
    b"GET /direct HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\n\r\n",
    b"GET /nothing HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n",
    b"GET /dead HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\n\r\n",
]


def answer(exchange):
    exchange.read_body()
    headers = [("x-r", "resp")] + ([("grpc-status", "5")] if exchange.request.path == b"/grpc" else [])
    exchange.answer(body=b"ok", headers=headers)


def logs(folder):
    """A text log, one without empty values, a JSON log and the default one."""
    text = "|".join(f"{name.replace('%', '')}=%{name}%" for name in STABLE) + "|" + "|".join(f"{name}=%{name}%" for name in NUMBERS) + "\n"
    json_format = {name.replace(":", "_"): f"%{name}%" for name in STABLE} | {
        "mixed": "a %PROTOCOL% %REQ(NO)%", "list": ["%RESPONSE_CODE%", {"inner": "%REQ(X-A)%"}], "number": 5, "yes": True}

    def log(name, **config):
        return {"name": name, "typed_config": {"@type": FILE_LOG, "path": str(folder / name), **config}}
    return [log("text", log_format={"text_format_source": {"inline_string": text}}),
            log("omit", log_format={"text_format_source": {"inline_string": text}, "omit_empty_values": True}),
            log("json", log_format={"json_format": json_format}),
            log("omit_json", log_format={"json_format": json_format, "omit_empty_values": True}), log("default")]


def config(folder, port):
    hosts = [{"name": "all", "domains": ["h.test"], "routes": [
        {**route("c0", "/up"), "name": "named"}, route("c0", "/grpc"), direct(418, "teapot", "/direct"),
        route("dead", "/dead")]}]
    manager = hcm(virtual_hosts=hosts, access_log=logs(folder))
    return bootstrap([listener(manager)], [cluster("c0", port), cluster("dead", 1)])


def lines_of(run, folder, port):
    """{log name: normalized lines} after all requests, one connection each."""
    folder.mkdir()
    with run(config(folder, port), "--file-flush-interval-msec", "50") as running:
        for request in REQUESTS:
            with Client(running.port()) as client:
                client.send(request)
                client.response(request.partition(b" ")[0])
        names = ("text", "omit", "json", "omit_json", "default")

        def complete():
            return all((folder / name).read_bytes().count(b"\n") == len(REQUESTS) for name in names)
        eventually(complete)
        return {name: [normal(line) for line in (folder / name).read_bytes().splitlines()] for name in names}


def normal(line):
    line = re.sub(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", b"UUID", line)
    line = re.sub(rb"DURATION=\d+", b"DURATION=N", line)
    line = re.sub(rb"^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\]", b"[TIME]", line)
    return re.sub(rb'(" \d{3} \S+ \d+ \d+) \d+ (\d+|-)', rb"\1 N N", line)


def test_lines_are_the_same(tmp_path):
    with ExitStack() as stack:
        upstream = stack.enter_context(HttpUpstream(answer))
        theirs = lines_of(envoy, tmp_path / "envoy", upstream.port)
        ours = lines_of(proxy, tmp_path / "gmosn", upstream.port)
    different = {}
    for name, lines in theirs.items():
        separator = b"," if "json" in name else b"|"
        for number, (their, our) in enumerate(zip(lines, ours[name], strict=True)):
            pairs = zip(their.split(separator), our.split(separator))
            if their != our:
                different[name, number] = [pair for pair in pairs if pair[0] != pair[1]] or (their, our)
    assert not different, different
