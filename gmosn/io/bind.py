"""Binding listening sockets from plans: plain dicts, so that they can be sent to the process that may bind.

No gevent here: the supervisor uses it. A plan (config/bind_plan.py makes them from listeners) has

    key          names the socket: equal keys may share it
    family       "ipv4" | "ipv6" | "unix"
    ip, port     (port 0 = any)        or   path ("@name" is abstract), mode (0 = as the umask says)
    reuse_port   every worker has a socket of its own; otherwise they share one
    ipv4_compat, transparent, freebind, mptcp    bool
    backlog      0 = the kernel's largest
    fast_open    queue length, 0 = off
    options      [state, level, name, int or hex str] lists; state "prebind" | "bound" | "listening"
"""
import os
import socket
import stat

IPPROTO_MPTCP = getattr(socket, "IPPROTO_MPTCP", 262)
IP_FREEBIND, IP_TRANSPARENT, IPV6_TRANSPARENT, IPV6_FREEBIND = 15, 19, 75, 78    # linux/in.h, linux/in6.h
PREBIND, BOUND, LISTENING = "prebind", "bound", "listening"
FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6, "unix": socket.AF_UNIX}
SOMAXCONN = "/proc/sys/net/core/somaxconn"


def bind(plan):
    """A listening, non-blocking socket for the plan. Raises OSError; `bind_error_text` words it."""
    protocol = IPPROTO_MPTCP if plan.get("mptcp") else 0
    sock = socket.socket(FAMILIES[plan["family"]], socket.SOCK_STREAM | socket.SOCK_NONBLOCK, protocol)
    try:
        if plan["family"] == "unix":
            _set_options(sock, plan, PREBIND)
            _bind_unix(sock, plan)
        else:
            _prepare_tcp(sock, plan)
            _set_options(sock, plan, PREBIND)
            sock.bind((plan["ip"], plan["port"]))
        _set_options(sock, plan, BOUND)
        sock.listen(plan.get("backlog") or largest_backlog())
        if plan.get("fast_open"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, plan["fast_open"])
        _set_options(sock, plan, LISTENING)
    except BaseException:
        sock.close()
        raise
    return sock


def _prepare_tcp(sock, plan):
    """What must be set before bind(). Accepted sockets inherit it, TCP_NODELAY saves a call per connection."""
    six = plan["family"] == "ipv6"
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if plan.get("reuse_port"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if six:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if plan.get("ipv4_compat") else 1)
    level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
    if plan.get("freebind"):
        sock.setsockopt(level, IPV6_FREEBIND if six else IP_FREEBIND, 1)
    if plan.get("transparent"):
        sock.setsockopt(level, IPV6_TRANSPARENT if six else IP_TRANSPARENT, 1)


def _bind_unix(sock, plan):
    """A path that an earlier process left behind is replaced (as in Envoy), but only if it is a socket."""
    path = plan["path"]
    if path.startswith("@"):
        sock.bind("\0" + path[1:])
        return
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass
    sock.bind(path)
    if plan.get("mode"):
        os.chmod(path, plan["mode"])


def _set_options(sock, plan, state):
    for when, level, name, value in plan.get("options", ()):
        if when == state:
            sock.setsockopt(level, name, bytes.fromhex(value) if isinstance(value, str) else value)


def largest_backlog():
    """net.core.somaxconn, which is what Envoy asks for too."""
    try:
        with open(SOMAXCONN) as file:
            return int(file.read())
    except (OSError, ValueError):
        return socket.SOMAXCONN


def plan_text(plan):
    """The plan's address as Envoy prints it."""
    if plan["family"] == "unix":
        return plan["path"]
    return f"[{plan['ip']}]:{plan['port']}" if plan["family"] == "ipv6" else f"{plan['ip']}:{plan['port']}"


def bind_error_text(plan, error):
    """What Envoy says: cannot bind '127.0.0.1:80': Address already in use."""
    return f"cannot bind '{plan_text(plan)}': {error.strerror or error}"
