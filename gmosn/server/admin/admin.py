"""The admin without its sockets: a request in, a response out. Runs in the control process; no page blocks on the
network."""
from html import escape

from gmosn.errors import ConfigError
from gmosn.matching.matchers import StringMatcher
from gmosn.observe.stat_tags import StatTags, parse_cli_tags
from gmosn.observe.stats_view import StatsView, stats_matcher
from gmosn.server.admin.command_pages import Runtime
from gmosn.server.admin.commands import COMMANDS, help_text
from gmosn.server.admin.configured_stats import configured_families
from gmosn.server.admin.http_types import HTML, AdminResponse
from gmosn.server.admin.server_stats import ServerStats


class Admin:
    """All pages over one Backend. `pid`: of this process, for memory figures. Raises ConfigError for a bad
    stats_config.

    `view`: StatsView; `tags`: StatTags; `runtime`: Runtime.
    """

    def __init__(self, backend, pid):
        self.backend = backend
        self._pid = pid
        self._pages = {command.path: command for command in COMMANDS}
        bootstrap = backend.bootstrap
        config = bootstrap.stats_config
        try:
            self.tags = StatTags.from_proto(config, parse_cli_tags(backend.options.stats_tag))
            accepts = stats_matcher(config.stats_matcher if config.HasField("stats_matcher") else None, _pattern)
            bounds = [(_pattern(settings.match), tuple(settings.buckets))
                      for settings in config.histogram_bucket_settings]
        except ConfigError as exc:
            raise exc.under("stats_config") from None
        self._server_stats = ServerStats(self)
        self.view = StatsView(backend.readers, backend.stats, accepts, bounds, self._server_stats.derive)
        self.runtime = Runtime(bootstrap.layered_runtime if bootstrap.HasField("layered_runtime") else None)
        self.track_lookups = False
        self.pause = lambda: None            # the listener's lets other greenlets run while a large page is made
        self._families, self._families_of = None, []
        self._allowed = [StringMatcher.from_proto(path) for path in bootstrap.admin.allow_paths]
        self._log = backend.logs.get("admin")

    def handle(self, request):
        """AdminResponse for an AdminRequest."""
        if self._allowed and not any(matcher.match(request.path.encode()) for matcher in self._allowed):
            return AdminResponse(f"request to path {request.path} not allowed\n", 403)
        command = self._pages.get(request.path)
        if command is None:
            return AdminResponse("invalid path. " + help_text(), 404)
        if command.mutates and request.method != "POST":
            self._log.error('admin path "%s" mutates state, method=%s rather than POST', request.path, request.method)
            return AdminResponse(f"Method {request.method} not allowed, POST required.", 405)
        return command.page(self, request)

    def help(self, request):
        return AdminResponse(help_text())

    def home(self, request):
        """A page of links and buttons."""
        rows = "".join(map(_home_row, COMMANDS[1:]))
        return AdminResponse(f"<!DOCTYPE html>\n<html lang='en'>\n<head>\n<title>gmosn admin</title>\n</head>\n<body>\n"
                             f"<h1>gmosn admin</h1>\n<table>\n{rows}</table>\n</body>\n</html>\n", 200, HTML)

    def pids(self):
        return [self._pid, *self.backend.worker_pids()]

    def snapshot(self):
        """StatsSnapshot of now, with everything that this process itself knows."""
        self._server_stats.update()
        if self.backend.bootstrap.stats_flush_on_admin:
            self.view.flush()
        self.pause()
        found = self.view.snapshot(self._current_families(), self.backend.text_readouts())
        self.pause()
        return found

    def _current_families(self):
        """Families of the served configuration, made anew when a resource is another one."""
        messages = [entry.message for kind in ("cluster", "listener") for entry in self.backend.entries(kind)]
        if self._families is None or len(messages) != len(self._families_of) or any(
                now is not before for now, before in zip(messages, self._families_of, strict=True)):
            self._families, self._families_of = configured_families(self.backend), messages
        return self._families

    def host_numbers(self):
        """Internal per-host stats by name (see clusters_page.HostView)."""
        return self.view.internal_numbers()


def _pattern(proto):
    match = StringMatcher.from_proto(proto).match
    return lambda name: match(name.encode("utf-8", "surrogateescape"))


def _home_row(command):
    path, text = escape(command.path), escape(command.text)
    if not command.mutates:
        return f"<tr><td><a href='{path}'>{path}</a></td><td>{text}</td></tr>\n"
    inputs = "".join(f" <label>{escape(name)} <input name='{escape(name)}'></label>" if choices != () else
                     f" <label><input type='checkbox' name='{escape(name)}'>{escape(name)}</label>"
                     for name, _, choices in command.params)
    return (f"<tr><td><form action='{path}' method='post'><button>{path}</button>{inputs}</form></td>"
            f"<td>{text}</td></tr>\n")
