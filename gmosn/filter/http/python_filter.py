"""gmosn's own Python filter: a class or a function that the configuration names (docs/write-a-filter.md).

    typed_config:
      "@type": type.googleapis.com/gmosn.filters.http.python.v1.PythonFilter
      module: my_filters
      name: Auth
      config: {key: secret}

The user's code runs in the stream's own greenlet; what it blocks on (sockets, time.sleep, subprocesses) holds up that
stream alone. Code that blocks in C (sqlite3, some database drivers) says `blocking = True` and runs in native threads.
"""
import importlib
import inspect
import traceback

from gevent.threadpool import ThreadPool
from google.protobuf import json_format

from gmosn.errors import ConfigError, DownstreamReset, PeerGone, RemoteProtocolError, StreamError, Timeout
from gmosn.filter.api import HttpFilter, Response
from gmosn.stream.api import Body

HOOKS = ("on_request", "on_request_body", "on_response", "on_response_body", "on_log")
THREADS = 16
PASS = (StreamError, Timeout, PeerGone, RemoteProtocolError)     # the stream's own failures, not the filter's


class PythonFilter(HttpFilter):
    """Guards the user's object: an exception of a hook is logged and answered with 500, never the worker's end.

    After a failure the filter's other hooks are not called for that stream, but for on_log. Built by from_proto only,
    as an instance of a subclass with just the hooks that the user's object has.
    """

    TYPE_URL = "gmosn.filters.http.python.v1.PythonFilter"
    ROUTE_TYPE_URL = "gmosn.filters.http.python.v1.PythonFilterPerRoute"
    EXTENSION_NAME = "gmosn.filters.http.python"

    def __init__(self, label, user, log):
        """`label`: "module:name"; `user`: the object with hooks; `log(exception)`."""
        self.label = label
        self.user = user
        self.log = log
        self.blocking = getattr(user, "blocking", False)
        self.threads = None

    @classmethod
    def from_proto(cls, config, context):
        """Imports the module and makes the user's object; whatever goes wrong there is a ConfigError."""
        label = f"{config.module}:{config.name}"
        target = _load(config)
        values = json_format.MessageToDict(config.config)
        try:
            user = _make(target, values)
        except Exception as exc:
            raise ConfigError(f"{label} cannot be made: {_last_line(exc)}", ("config",)) from exc
        hooks = [hook for hook in HOOKS if _has_hook(user, hook)]
        if not hooks:
            raise ConfigError(f"{label} has no hook ({', '.join(HOOKS)})", ("name",))
        guarded = type(cls.__name__, (cls,), {hook: GUARDS[hook] for hook in hooks})
        return guarded(label, user, context.log_exception)

    @property
    def name(self):
        return self._name

    @name.setter
    def name(self, value):
        self._name = value
        try:
            self.user.name = value
        except AttributeError:               # __slots__ without it: the user's code does not want it
            pass

    def call(self, hook, stream):
        """Calls a hook, in a native thread if the filter says `blocking`: this greenlet alone waits for it."""
        if not self.blocking:
            return hook(stream)
        if self.threads is None:
            self.threads = ThreadPool(getattr(self.user, "threads", THREADS))
        body, stream.request_body = stream.request_body, _NoBody()
        try:
            return self.threads.apply(hook, (stream,))
        finally:
            stream.request_body = body

    def has_failed(self, stream):
        """Whether a hook of this filter has failed on this stream."""
        return "failed" in stream.data(self)

    def failure(self, stream, exc):
        """Logs what a hook raised; the StreamError that the client gets."""
        if isinstance(exc, OSError) and stream.down.conn is not None and stream.down.conn.is_reset():
            return DownstreamReset()         # the hook was reading the body of a client that went away
        stream.data(self)["failed"] = True
        self.log(exc)
        return StreamError(f"python_filter_error{{{self.label}}}", status=500, text="internal error")

    def close(self):
        """Calls the user's close(), if there is one."""
        try:
            close = getattr(self.user, "close", None)
            if close is not None:
                close()
        except Exception as exc:
            self.log(exc)
        if self.threads is not None:
            self.threads.kill()
            self.threads = None

    def __repr__(self):
        return f"<PythonFilter {self.label}>"


class PythonFilterPerRoute:
    """A route's own configuration of a Python filter: a dict, which `stream.per_route(self.name)` returns."""

    TYPE_URL = PythonFilter.ROUTE_TYPE_URL

    @classmethod
    def from_proto(cls, config, context):
        return json_format.MessageToDict(config.config)


class FunctionFilter(HttpFilter):
    """A plain function as a filter: `function(stream, config)` is its on_request."""

    def __init__(self, function, config):
        self.function = function
        self.config = config
        self.blocking = getattr(function, "blocking", False)

    def on_request(self, stream):
        """`config` is the route's, where it has one."""
        return self.function(stream, stream.per_route(self.name) or self.config)


# ---- from the configuration to the object ----

def _last_line(exc):
    """`KeyError: 'x' (file.py:12)`: what a stranger needs of a traceback."""
    text = "".join(traceback.format_exception_only(exc)).strip().splitlines()[-1]
    if isinstance(exc, SyntaxError):
        return f"{text} ({exc.filename}:{exc.lineno})"
    frames = [frame for frame in traceback.extract_tb(exc.__traceback__) if not frame.filename.startswith("<frozen")]
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})"


def _load(config):
    try:
        module = importlib.import_module(config.module)
    except (Exception, SystemExit) as exc:
        raise ConfigError(f"module '{config.module}' cannot be imported: {_last_line(exc)}", ("module",)) from exc
    target = getattr(module, config.name, None)
    if not callable(target):
        problem = "is neither a class nor a function" if hasattr(module, config.name) else "is not there"
        raise ConfigError(f"'{config.name}' of module '{config.module}' {problem}", ("name",))
    return target


def _make(target, values):
    if not inspect.isclass(target):
        return FunctionFilter(target, values)
    if target.__init__ is object.__init__:   # the class does not ask for its configuration
        user = target()
        user.config = values
        return user
    return target(values)                    # type: ignore[call-arg]  # it has an __init__ of its own


def _has_hook(user, hook):
    found = getattr(user, hook, None)
    return callable(found) and getattr(type(user), hook, None) is not getattr(HttpFilter, hook)


# ---- the hooks ----

class _NoBody(Body):
    """In place of the body while a hook runs in a thread: connections belong to the event loop's thread."""

    def read(self):
        raise RuntimeError("a hook of a filter with blocking = True cannot read the body; use on_request_body")

    read_buffered = read


def _on_request(self, stream):
    try:
        reply = self.call(self.user.on_request, stream)
        if reply is not None and not isinstance(reply, Response):
            raise TypeError(f"on_request of {self.label} returned {type(reply).__name__}, not a Response or None")
        return reply
    except PASS:
        raise
    except Exception as exc:
        raise self.failure(stream, exc) from exc


def _on_response(self, stream):
    if self.has_failed(stream):
        return
    try:
        self.call(self.user.on_response, stream)
    except PASS:
        stream.data(self)["failed"] = True   # the local reply that follows comes through here again
        raise
    except Exception as exc:
        raise self.failure(stream, exc) from exc


def _on_log(self, stream):
    self.call(self.user.on_log, stream)      # the caller logs what it raises: the response is out


def _transform(self, stream, hook, chunks):
    """The user's iterator; its exceptions cut the body where it is."""
    if self.has_failed(stream):
        yield from chunks
        return
    try:
        for chunk in hook(stream, chunks):
            if not isinstance(chunk, bytes):
                raise TypeError(f"a body hook of {self.label} made {type(chunk).__name__}, not bytes")
            yield chunk
    except PASS:
        raise
    except Exception as exc:
        raise self.failure(stream, exc) from exc


def _on_request_body(self, stream, chunks):
    return _transform(self, stream, self.user.on_request_body, chunks)


def _on_response_body(self, stream, chunks):
    return _transform(self, stream, self.user.on_response_body, chunks)


GUARDS = {"on_request": _on_request, "on_request_body": _on_request_body, "on_response": _on_response,
          "on_response_body": _on_response_body, "on_log": _on_log}
