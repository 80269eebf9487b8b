"""Bootstraps as dicts, in Envoy's words. Each builder takes what a test varies; everything else is Envoy's default."""

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"


def bootstrap(listeners=(), clusters=(), **more):
    return {"static_resources": {"listeners": list(listeners), "clusters": list(clusters)}, **more}


def socket_address(port=0, address="127.0.0.1"):
    return {"socket_address": {"address": address, "port_value": port}}


def cluster(name, *ports, **more):
    """A STATIC cluster with one endpoint on 127.0.0.1 per port; an endpoint may also be an address dict."""
    endpoints = [{"endpoint": {"address": socket_address(port) if isinstance(port, int) else port}} for port in ports]
    return {"name": name, "type": "STATIC", "connect_timeout": "1s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}, **more}


def listener(*filters, name="listener_0", port=0, **more):
    return {"name": name, "address": socket_address(port), "filter_chains": [{"filters": list(filters)}], **more}


def http_filter(label, type_url, **config):
    return {"name": label, "typed_config": {"@type": type_url, **config}}


def router():
    return http_filter("envoy.filters.http.router", ROUTER)


def access_log(path, text_format=None):
    config = {"@type": FILE_LOG, "path": str(path)}
    if text_format is not None:
        config["log_format"] = {"text_format_source": {"inline_string": text_format}}
    return [{"name": "envoy.access_loggers.file", "typed_config": config}]


def hcm(*routes, filters=None, virtual_hosts=None, **more):
    """The HTTP connection manager as a network filter. `routes`: Route dicts of one virtual host "*", or give
    `virtual_hosts`; `filters`: HTTP filters in place of the router alone."""
    if virtual_hosts is None:
        virtual_hosts = [{"name": "all", "domains": ["*"], "routes": list(routes)}]
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": HCM, "stat_prefix": "ingress", "http_filters": list(filters) if filters is not None else [router()],
        "route_config": {"name": "local_route", "virtual_hosts": virtual_hosts}, **more}}


def route(cluster=None, prefix="/", **more):
    """A Route to `cluster` by prefix; `more`: fields of RouteAction, or a whole Route with `match`."""
    return {"match": {"prefix": prefix}, "route": {"cluster": cluster, **more}}


def direct(status=200, body="", prefix="/"):
    return {"match": {"prefix": prefix}, "direct_response": {"status": status, "body": {"inline_string": body}}}


def tcp_proxy(cluster, **more):
    return {"name": "envoy.filters.network.tcp_proxy",
            "typed_config": {"@type": TCP_PROXY, "stat_prefix": "tcp", "cluster": cluster, **more}}


def http_to(port, **more):
    """The usual bootstrap: one listener, everything routed to one upstream port; `more`: HCM fields."""
    return bootstrap([listener(hcm(route("backend"), **more))], [cluster("backend", port)])
