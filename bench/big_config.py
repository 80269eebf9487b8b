"""Writes a big bootstrap: `python -m bench.big_config FILE [CLUSTERS ROUTES]` (default 500 and 2,000: 42,000 lines).

Only what this version of gmosn implements, so that both proxies validate the same file: health checks, outlier
detection, retry policies, TLS and CORS join it as they are implemented.
"""
import sys

import yaml

ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
POLICIES = ("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM")
ROUTES_PER_HOST = 20


def big_cluster(number):
    name = f"service-{number}"
    endpoints = [{"endpoint": {"address": {"socket_address": {
        "address": f"10.{number // 250}.{number % 250}.{host}", "port_value": 8080 + host}}},
        "load_balancing_weight": host} for host in (1, 2, 3)]
    return {"name": name, "type": "STATIC", "connect_timeout": "0.25s", "lb_policy": POLICIES[number % 3],
            "circuit_breakers": {"thresholds": [{"priority": "DEFAULT", "max_connections": 1000, "max_requests": 2000,
                                                 "max_pending_requests": 500}]},
            "load_assignment": {"cluster_name": name, "endpoints": [
                {"locality": {"region": "north", "zone": f"zone-{number % 3}"}, "lb_endpoints": endpoints}]}}


def big_route(number, clusters):
    """Prefix, path and regex matches, some with header matchers; plain, weighted, rewritten and redirected."""
    kind = number % 4
    match = ({"prefix": f"/service/{number}/"}, {"path": f"/exact/{number}"}, {"prefix": f"/v2/{number}/"},
             {"safe_regex": {"regex": f"/item/{number}/[a-z]+/\\d+"}})[kind]
    if number % 5 == 0:
        match["headers"] = [{"name": "x-env", "string_match": {"exact": "production"}}]
    target = f"service-{number % clusters}"
    added = [{"header": {"key": "x-route", "value": f"route-{number}"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
    if number % 10 == 1:
        return {"match": match, "redirect": {"host_redirect": "www.example.test", "response_code": "FOUND"}}
    if kind == 2:
        other = f"service-{(number + 1) % clusters}"
        action = {"weighted_clusters": {"clusters": [{"name": target, "weight": 90}, {"name": other, "weight": 10}]}}
    else:
        action = {"cluster": target, **({"prefix_rewrite": "/"} if kind == 0 else {})}
    return {"match": match, "route": {**action, "timeout": "5s"}, "request_headers_to_add": added}


def big_bootstrap(clusters=500, routes=2000):
    hosts = []
    for host in range(routes // ROUTES_PER_HOST):
        first = host * ROUTES_PER_HOST
        hosts.append({"name": f"host-{host}", "domains": [f"h{host}.example.test", f"h{host}.example.test:*"],
                      "routes": [big_route(number, clusters) for number in range(first, first + ROUTES_PER_HOST)]})
    manager = {"@type": HCM, "stat_prefix": "ingress", "route_config": {"name": "routes", "virtual_hosts": hosts},
               "access_log": [{"name": "log", "typed_config": {"@type": LOG, "path": "/dev/null"}}],
               "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}]}
    return {
        "node": {"id": "bench", "cluster": "bench"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": [{"name": "ingress", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                           "filter_chains": [{"filters": [{
                               "name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
            "clusters": [big_cluster(number) for number in range(clusters)]}}


def write(path, clusters=500, routes=2000):
    with open(path, "w") as file:
        yaml.dump(big_bootstrap(clusters, routes), file, Dumper=yaml.CSafeDumper, sort_keys=False,
                  default_flow_style=False)


if __name__ == "__main__":
    write(sys.argv[1], *map(int, sys.argv[2:]))
