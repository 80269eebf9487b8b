"""Opaque bytes both ways after an upgrade or CONNECT, each direction ending on its own (half-close)."""
from gmosn.errors import PeerGone, Timeout


def run_tunnel(down, up, idle_us):
    """Relays until both directions ended, one failed, or nothing moved for `idle_us` (0 = no limit).

    `down`: ServerStream, `up`: ClientStream, both with an accepted upgrade. Blocks. Closes nothing: the owners do.
    Client bytes that came before the answer were held until now, so a refused upgrade smuggles nothing.
    """
    from gevent import spawn                         # not at the top: validation needs no gevent
    from_client = down.open_tunnel()
    from_upstream = up.open_tunnel()
    from_client.idle_us = from_upstream.idle_us = idle_us
    down.conn.partner = None
    upload = spawn(_copy, from_client, up, down.conn)
    try:
        _copy(from_upstream, down, up.conn)
        upload.join()
    finally:
        upload.kill()


def _copy(source, target, failed):
    """One direction. When it fails, the other one is woken up: `failed` is the connection that it reads or writes."""
    try:
        while True:
            data = source.read()
            if not data:
                target.send_data(b"", True)
                return
            target.send_data(data, False)
    except (OSError, Timeout, PeerGone):
        target.conn.close()
        failed.close()
