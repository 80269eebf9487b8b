"""The base id: tells the instances of one machine apart. Whoever has one holds an abstract Unix socket of that name, so
that a second instance by accident (whose listeners would quietly share the ports of the first) does not start."""
import errno
import os
import random
import socket

MAX_DYNAMIC_ID = 1 << 27
TRIES = 20


class BaseIdTaken(Exception):
    """Another instance has the id; the text is Envoy's."""


def claim(options):
    """The socket that holds the id, None with --disable-hot-restart. Sets options.base_id if it is to be chosen, writes
    --base-id-path. BaseIdTaken; OSError for the path."""
    if options.disable_hot_restart:
        return None
    held = _claim_any(options) if options.use_dynamic_base_id else _bind(options)
    if options.base_id_path:
        with open(options.base_id_path, "w", encoding="ascii") as file:
            file.write(str(options.base_id))
    return held


def _claim_any(options):
    for _ in range(TRIES):
        options.base_id = random.randrange(MAX_DYNAMIC_ID)
        try:
            return _bind(options)
        except BaseIdTaken:
            pass
    raise BaseIdTaken("unable to select a dynamic base id")


def _bind(options):
    """Envoy multiplies the id by 10, one name per epoch. A path instead of an abstract name gets --socket-mode."""
    name = f"{options.socket_path}_{options.base_id * 10}_{options.restart_epoch}"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        if name.startswith("@"):
            sock.bind("\0" + name[1:])
        else:
            _bind_path(sock, name, int(options.socket_mode, 8))
    except OSError as exc:
        sock.close()
        raise BaseIdTaken(f"unable to bind domain socket with base_id={options.base_id * 10}, "
                          f"id={options.restart_epoch}, errno={exc.errno} (see --base-id option)") from exc
    return sock


def _bind_path(sock, path, mode):
    """A socket file that nobody listens on was left behind by an instance that died."""
    try:
        sock.bind(path)
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE or _is_alive(path):
            raise
        os.unlink(path)
        sock.bind(path)
    os.chmod(path, mode)


def _is_alive(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
