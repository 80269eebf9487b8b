"""One configuration in Envoy and in gmosn, one request to both: what the client and what the upstream saw."""
import re
from contextlib import ExitStack, contextmanager

from tests.helpers.client import Client, Closed
from tests.helpers.configs import bootstrap, cluster
from tests.helpers.proxy import envoy, proxy
from tests.helpers.upstream import HttpUpstream

UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
VOLATILE = (b"date", b"x-envoy-upstream-service-time", b"content-length", b"transfer-encoding", b"connection")


def echo_head(exchange):
    """An upstream that answers with the request's head."""
    exchange.read_body()
    exchange.answer(body=exchange.request.raw)


@contextmanager
def both(listeners, *clusters):
    """(Envoy, gmosn) with `listeners` and the cluster "c0", which echoes heads. `clusters`: functions that make more of
    them (dicts) from the echo's port."""
    with ExitStack() as stack:
        upstream = stack.enter_context(HttpUpstream(echo_head))
        config = bootstrap(listeners, [cluster("c0", upstream.port), *(make(upstream.port) for make in clusters)])
        yield tuple(stack.enter_context(run(config)) for run in (envoy, proxy))


def seen(running, listener, path="/", headers=(), method="GET", host="h.test"):
    """What a request leads to, without what differs from run to run: (status, response fields, upstream's head or body)."""
    port = running.port(listener)
    with Client(port) as client:
        client.request(method, path, host.format(port=port), headers)
        try:
            response = client.response()
        except Closed:
            return "closed", [], []
    fields = sorted((name.lower(), UUID.sub(b"UUID", value)) for name, value in response.headers
                    if name.lower() not in VOLATILE)
    return response.status, fields, normal_body(response.body, port)


def normal_body(body, port):
    """An echoed head as sorted lines; any other body as it is."""
    text = UUID.sub(b"UUID", body).replace(b"%d" % port, b"PORT")
    first, _, rest = text.partition(b"\r\n")
    return [first, *sorted(line for line in rest.split(b"\r\n") if line)]
