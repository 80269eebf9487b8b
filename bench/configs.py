"""The same work for every proxy: a bootstrap for gmosn and Envoy, the equivalent `http` block for nginx."""
from tests.helpers.configs import access_log, bootstrap, cluster, hcm, listener, route, tcp_proxy

VIRTUAL_HOSTS, ROUTES = 20, 50


def plain(upstreams):
    """One listener, one route, one cluster."""
    return bootstrap([listener(hcm(route("web")))], [cluster("web", upstreams.http)])


def plain_nginx(upstreams, port):
    return f"""access_log off; {nginx_upstream(upstreams)}
        server {{ listen 127.0.0.1:{port}; location / {{ {NGINX_PASS} }} }}"""


def tcp(upstreams):
    return bootstrap([listener(tcp_proxy("echo"), name="echo"), listener(tcp_proxy("source"), name="source")],
                     [cluster("echo", upstreams.echo), cluster("source", upstreams.source)])


def many_routes(upstreams, log_path):
    """20 virtual hosts x 50 routes and an access log in the default format."""
    routes = [route("web", f"/api/v{number}/") for number in range(ROUTES)]
    hosts = [{"name": f"host{host}", "domains": [f"host{host}.test"], "routes": routes}
             for host in range(VIRTUAL_HOSTS)]
    return bootstrap([listener(hcm(virtual_hosts=hosts, access_log=access_log(log_path)))],
                     [cluster("web", upstreams.http)])


def many_routes_nginx(upstreams, port, log_path):
    locations = "".join(f"location /api/v{number}/ {{ {NGINX_PASS} }}" for number in range(ROUTES))
    servers = "".join(f"server {{ listen 127.0.0.1:{port}; server_name host{host}.test; {locations} }}"
                      for host in range(VIRTUAL_HOSTS))
    return f"access_log {log_path} combined buffer=64k flush=10s; {nginx_upstream(upstreams)} {servers}"


NGINX_PASS = 'proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 16 64k;'


def nginx_upstream(upstreams):
    return (f"upstream web {{ server 127.0.0.1:{upstreams.http}; keepalive 128; keepalive_requests 1000000000; }} "
            "client_max_body_size 0;")
