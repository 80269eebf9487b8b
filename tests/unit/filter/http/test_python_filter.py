"""The Python filter: how the user's object is made, guarded and called."""
import sys
import textwrap
import time

import gevent
import pytest

from gmosn.errors import ConfigError, DownstreamReset, StreamError
from gmosn.filter.api import HttpFilter, Response
from gmosn.filter.http.python_filter import PythonFilter, PythonFilterPerRoute
from gmosn.filter.testing import request_stream
from gmosn.proxy.http_filters import RouteFilterConfig
from gmosn.registry import FactoryContext
from tests.helpers.routes import message

TYPE = "gmosn.filters.http.python.v1.PythonFilter"


@pytest.fixture
def user_module(tmp_path, monkeypatch):
    """Writes `source` as the module `users_filter` and returns a builder of filters from it."""
    monkeypatch.syspath_prepend(tmp_path)
    seen = []

    def write(source):
        (tmp_path / "users_filter.py").write_text("from gmosn.filter.api import HttpFilter, Response\n" + textwrap.dedent(source))
        sys.modules.pop("users_filter", None)

        def build(name, **config):
            built = PythonFilter.from_proto(message(TYPE, {"module": "users_filter", "name": name, "config": config}),
                                            FactoryContext(log_exception=seen.append))
            built.name = "mine"
            return built
        return build
    write.logged = seen
    yield write
    sys.modules.pop("users_filter", None)


def stream(**headers):
    return request_stream(headers=[(name.replace("_", "-"), value) for name, value in headers.items()])


def overrides(built, hook):
    return getattr(type(built), hook) is not getattr(HttpFilter, hook)


def test_class(user_module):
    built = user_module('''
        class Greeter(HttpFilter):
            def __init__(self, config):
                self.config = config
            def on_request(self, stream):
                return Response(self.config["status"], self.config["nested"]["text"] + self.name)
        ''')("Greeter", status=201, nested={"text": "hello "})
    reply = built.on_request(stream())
    assert (reply.status, reply.body) == (201, b"hello mine")


def test_hooks_that_are_not_there_cost_nothing(user_module):
    built = user_module('''
        class Duck:
            def on_response(self, stream):
                pass
        class Derived(HttpFilter):
            def on_log(self, stream):
                pass
        ''')
    assert [hook for hook in ("on_request", "on_response", "on_log") if overrides(built("Duck"), hook)] == ["on_response"]
    assert [hook for hook in ("on_request", "on_response", "on_log") if overrides(built("Derived"), hook)] == ["on_log"]


def test_function(user_module):
    built = user_module('''
        def refuse(stream, config):
            if stream.request.get(b"x-no") is not None:
                return Response(config["status"])
        ''')("refuse", status=418)
    assert built.on_request(stream()) is None
    assert built.on_request(stream(x_no="1")).status == 418


def test_route_has_its_own_configuration(user_module):
    built = user_module('''
        def answer(stream, config):
            return Response(config["status"])
        ''')("answer", status=200)
    class Route:
        per_filter = {"mine": RouteFilterConfig(False, PythonFilterPerRoute.from_proto(
            message(TYPE + "PerRoute", {"config": {"status": 202}}), None))}
    routed = stream()
    routed.route = Route()
    assert built.on_request(routed).status == 202
    assert built.on_request(stream()).status == 200


def test_a_class_without_constructor_gets_config_as_attribute(user_module):
    built = user_module('''
        class Plain:
            def on_request(self, stream):
                return Response(self.config["status"])
        ''')("Plain", status=204)
    assert built.on_request(stream()).status == 204


@pytest.mark.parametrize("source, name, path, text", [
    ("import nothing_like_this", "x", ("module",), "ModuleNotFoundError: No module named 'nothing_like_this'"),
    ("def broken(:", "x", ("module",), "SyntaxError"), ("raise SystemExit(3)", "x", ("module",), "SystemExit: 3"),
    ("", "Missing", ("name",), "is not there"), ("THING = 5", "THING", ("name",), "neither a class nor a function"),
    ("class Nothing:\n    pass", "Nothing", ("name",), "has no hook"),
    ("class Bad:\n    def __init__(self, config):\n        raise ValueError('no key')", "Bad", ("config",), "ValueError: no key"),
])
def test_errors_of_the_configuration(user_module, source, name, path, text):
    build = user_module(source)
    with pytest.raises(ConfigError) as caught:
        build(name)
    assert caught.value.path == path and text in str(caught.value)
    assert ".py:" in str(caught.value) or path == ("name",)


def test_unknown_module():
    with pytest.raises(ConfigError, match="no_such_module_anywhere"):
        PythonFilter.from_proto(message(TYPE, {"module": "no_such_module_anywhere", "name": "x"}), FactoryContext())


FAILING = '''
    class Failing(HttpFilter):
        calls = 0
        def on_request(self, stream):
            raise KeyError("boom")
        def on_response(self, stream):
            self.calls += 1
            raise KeyError("boom again")
        def on_response_body(self, stream, chunks):
            for chunk in chunks:
                yield chunk
                raise KeyError("in the body")
        def on_request_body(self, stream, chunks):
            yield "text"
    '''


def test_an_exception_becomes_a_500(user_module):
    built, one = user_module(FAILING)("Failing"), stream()
    with pytest.raises(StreamError) as caught:
        built.on_request(one)
    assert (caught.value.status, caught.value.details) == (500, "python_filter_error{users_filter:Failing}")
    assert caught.value.text == "internal error" and caught.value.source == "local"
    assert [repr(exc) for exc in user_module.logged] == ["KeyError('boom')"]
    built.on_response(one)                               # the local reply passes the failed filter untouched
    assert built.user.calls == 0


def test_an_exception_in_the_response_hook_happens_once(user_module):
    built, one = user_module(FAILING)("Failing"), stream()
    with pytest.raises(StreamError):
        built.on_response(one)
    built.on_response(one)
    assert built.user.calls == 1


def test_exceptions_in_bodies(user_module):
    built, one = user_module(FAILING)("Failing"), stream()
    body = built.on_response_body(one, iter([b"1", b"2"]))
    assert next(body) == b"1"
    with pytest.raises(StreamError):
        next(body)
    assert list(built.on_request_body(one, iter([b"3"]))) == [b"3"]      # the filter has failed: bytes pass
    with pytest.raises(StreamError):
        list(built.on_request_body(stream(), iter([b"3"])))
    assert "str, not bytes" in str(user_module.logged[-1])


def test_a_wrong_answer_is_an_error(user_module):
    built = user_module('''
        def wrong(stream, config):
            return "text"
        ''')("wrong")
    with pytest.raises(StreamError):
        built.on_request(stream())
    assert "returned str" in str(user_module.logged[0])


def test_the_clients_failures_are_not_the_filters(user_module):
    build = user_module('''
        from gmosn.errors import DownstreamReset
        def reads(stream, config):
            raise DownstreamReset()
        def connects(stream, config):
            raise ConnectionResetError("of the database")
        ''')
    with pytest.raises(DownstreamReset):
        build("reads").on_request(stream())
    assert user_module.logged == []
    with pytest.raises(StreamError) as caught:
        build("connects").on_request(stream())
    assert caught.value.status == 500


def test_blocking_filters_stop_nobody_else(user_module):
    """sqlite3's wait happens in C: without a thread no other greenlet would run."""
    build = user_module('''
        import sqlite3
        class Reader:
            blocking = True
            def on_request(self, stream):
                database = sqlite3.connect(":memory:")
                query = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000) select sum(i) from n"
                (total,), = database.execute(query).fetchall()
                return Response(200, str(total))
        ''')
    built, one = build("Reader"), stream()
    worker = gevent.spawn(built.on_request, one)
    turns = 0
    deadline = time.monotonic() + 30
    while not worker.ready() and time.monotonic() < deadline:
        gevent.sleep(0.001)                              # sleeps: gives the loop its turns, which are counted
        turns += 1
    assert worker.get().body == b"2000001000000"
    assert turns >= 5
    built.close()


def test_blocking_filters_cannot_read_the_body(user_module):
    built = user_module('''
        class Reader:
            blocking = True
            def on_request(self, stream):
                stream.read_request_body()
        ''')("Reader")
    one = stream()
    body = one.request_body
    with pytest.raises(StreamError):
        built.on_request(one)
    assert "cannot read the body" in str(user_module.logged[0])
    assert one.request_body is body                      # what was there is there again
    built.close()


def test_close(user_module):
    build = user_module('''
        class Closing(HttpFilter):
            closed = 0
            def on_log(self, stream):
                pass
            def close(self):
                self.closed += 1
                raise OSError("late")
        ''')
    built = build("Closing")
    built.close()
    assert built.user.closed == 1 and str(user_module.logged[0]) == "late"
    assert isinstance(Response(200), Response)
