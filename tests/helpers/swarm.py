"""Many clients in one thread: slow ones that drip, and ones that vanish."""
import selectors
import socket
import threading
import time
from dataclasses import dataclass


@dataclass
class SlowClient:
    """`first` is sent at once, then `drip` again and again; `reads`: False leaves everything that arrives unread.

    `ended_s`: seconds after its start when the proxy ended it, None = still alive; `received`: what it was told.
    """

    first: bytes
    drip: bytes = b""
    reads: bool = True
    sock: object = None
    ended_s: float = None
    received: bytes = b""


class Swarm:
    """Runs SlowClients against a port in a thread of its own until all were ended or `give_up_s` is over."""

    def __init__(self, port, clients, *, drip_every_s, give_up_s):
        self.port, self.clients = port, clients
        self.drip_every_s, self.give_up_s = drip_every_s, give_up_s
        self._thread = threading.Thread(target=self._run, daemon=True, name="swarm")

    def start(self):
        self._thread.start()
        return self

    def join(self):
        """Waits for the end; the clients then know theirs."""
        self._thread.join(self.give_up_s + 10)
        assert not self._thread.is_alive()

    def _run(self):
        self.started = time.monotonic()
        selector = selectors.DefaultSelector()
        for client in self.clients:
            client.sock = sock = socket.socket()
            if not client.reads:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", self.port))
            sock.sendall(client.first)
            sock.setblocking(False)
            if client.reads:
                selector.register(sock, selectors.EVENT_READ, client)
        alive = set(range(len(self.clients)))
        drip_at = time.monotonic() + self.drip_every_s
        while alive and time.monotonic() - self.started < self.give_up_s:
            for key, _ in selector.select(max(0, min(drip_at - time.monotonic(), 0.1))):
                self._read(key.data, selector)
            if time.monotonic() >= drip_at:
                drip_at += self.drip_every_s
                for number in list(alive):
                    self._drip(self.clients[number], selector)
            alive = {number for number in alive if self.clients[number].ended_s is None}
        for client in self.clients:
            client.sock.close()
        selector.close()

    def _read(self, client, selector):
        try:
            data = client.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.received += data[:1000]
        if not data:
            self._end(client, selector)

    def _drip(self, client, selector):
        """One drop; for a client that does not read, a look at whether its connection was reset."""
        try:
            if client.drip:
                client.sock.send(client.drip)
            elif client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or self._closed_by_peer(client.sock):
                self._end(client, selector)
        except BlockingIOError:
            pass
        except OSError:
            self._end(client, selector)

    @staticmethod
    def _closed_by_peer(sock):
        """True when the peer is gone, without reading what it sent: the kernel's state is not ESTABLISHED any more."""
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1

    def _end(self, client, selector):
        if client.ended_s is None:
            client.ended_s = time.monotonic() - self.started
            if client.reads:
                selector.unregister(client.sock)
