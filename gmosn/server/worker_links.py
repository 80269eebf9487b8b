"""Control's side of its channels to the workers: who is there, and which generation each one serves."""
import gevent
from gevent.event import Event

from gmosn.server import messages as m
from gmosn.server.channel import Channel


class WorkerLink:
    """One worker. `number`: the generation it acked last; `error`: why it refused the one after."""

    def __init__(self, index, pid, channel):
        self.index = index
        self.pid = pid
        self.channel = channel
        self.number = -1
        self.refused = -1
        self.error = ""

    def __repr__(self):
        return f"<WorkerLink {self.index} pid={self.pid} generation={self.number}>"


class WorkerLinks:
    """All workers that are there. `on_up(link)` is called for each that comes; it may send. `on_refused(link)`: for
    each generation that a worker could not build."""

    def __init__(self, on_up, on_refused=lambda link: None):
        self._on_up = on_up
        self._on_refused = on_refused
        self._links = {}
        self.changed = Event()                       # set whenever a worker came, went, acked or refused

    def add(self, index, pid, fd):
        """A worker came; `fd`: the channel to it."""
        link = self._links[index] = WorkerLink(index, pid, Channel.from_fd(fd))
        gevent.spawn(self._read, link).name = f"worker {index}"
        self._on_up(link)
        self._notify()

    def remove(self, index, pid):
        """A worker is gone."""
        if index in self._links and self._links[index].pid == pid:
            self._forget(self._links[index])

    def _forget(self, link):
        if self._links.get(link.index) is link:
            del self._links[link.index]
        link.channel.close()
        self._notify()

    def _read(self, link):
        while True:
            try:
                message = link.channel.receive()
            except OSError:                          # closed by remove() while waiting
                return
            if message is None:
                self._forget(link)
                return
            if isinstance(message, m.Ack):
                link.number = message.number
            elif isinstance(message, m.Nack):
                link.refused, link.error = message.number, message.error
                self._on_refused(link)
            self._notify()

    def _notify(self):
        self.changed.set()
        self.changed.clear()

    def send(self, message):
        """To all. A worker that is just dying is no error."""
        for link in list(self._links.values()):
            self.send_to(link, message)

    def send_to(self, link, message):
        try:
            link.channel.send(message)
        except OSError:
            pass

    def wait_for(self, number, count):
        """Until `count` workers are there and all of them acked generation `number`: (True, ""); or one refused it:
        (False, its error). No deadline: a worker that does not come is the supervisor's business, which replaces it."""
        while True:
            for link in self._links.values():
                if link.refused == number:
                    return False, link.error
            if len(self._links) >= count and all(link.number == number for link in self._links.values()):
                return True, ""
            self.changed.wait()

    @property
    def pids(self):
        return [link.pid for link in self]

    def __iter__(self):
        return iter(sorted(self._links.values(), key=lambda link: link.index))
