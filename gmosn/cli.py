"""The command line: Envoy 1.40's flags, words and exit codes, and which role this process plays.

Envoy parses with TCLAP; its layout of help and errors is kept so that scripts that read them go on working. Beyond
Envoy: `--bootstrap` (= `-c`), `--flag=value`, `--list-extensions`. Nothing heavy is imported here: start-up time
counts.
"""
import gc
import os
import re
import sys

from gmosn.observe.log import DEFAULT_FORMAT, parse_component_levels, parse_level
from gmosn.version import HOT_RESTART_VERSION, version_text

STRING, NUMBER, FLAG, MANY = "string", "uint32_t", "", "many"
WIDTH = 75
NO_CONFIG = "At least one of --config-path or --config-yaml or Options::configProto() should be non-empty"


class Option:
    """One flag. `kind`: STRING, NUMBER, FLAG or MANY (a string, repeatable)."""

    def __init__(self, name, kind, text, default=None, short="", hidden=False):
        self.name, self.kind, self.text, self.short, self.hidden = name, kind, text, short, hidden
        self.attribute = name.replace("-", "_")
        self.default = {FLAG: False, MANY: [], STRING: "", NUMBER: 0}[kind] if default is None else default

    @property
    def value_name(self):
        return {FLAG: "", MANY: " <string>"}.get(self.kind, f" <{self.kind}>")

    @property
    def usage(self):
        flag = f"-{self.short}" if self.short else f"--{self.name}"
        return f"[{flag}{self.value_name}]" + (" ..." if self.kind == MANY else "")

    @property
    def title(self):
        short = f"-{self.short}{self.value_name},  " if self.short else ""
        return f"{short}--{self.name}{self.value_name}" + ("  (accepted multiple times)" if self.kind == MANY else "")

    @property
    def error_name(self):
        return f"-{self.short} (--{self.name})" if self.short else f"(--{self.name})"


OPTIONS = (
    Option("stats-tag", MANY, "tag:value that every stat carries. Names are letters and digits, values anything "
           "without a dot; give the flag again for more tags."),
    Option("enable-core-dump", FLAG, "Accepted, no effect"),
    Option("socket-mode", STRING, "Permissions of the hot restart socket, octal", "600"),
    Option("socket-path", STRING, "The hot restart socket; @ makes it abstract", "@gmosn_domain_socket"),
    Option("disable-extensions", STRING, "category/name of extensions that must not be used, separated by commas"),
    Option("cpuset-threads", FLAG, "Accepted: the number of workers follows the CPU set anyway"),
    Option("enable-mutex-tracing", FLAG, "Accepted, no effect"),
    Option("disable-hot-restart", FLAG, "Neither offer nor attempt hot restart"),
    Option("mode", STRING, "serve (default), validate: check the configuration and exit, init_only: get ready to serve "
           "and exit", "serve"),
    Option("parent-shutdown-time-s", NUMBER, "Seconds after which a hot restart ends the parent", 900),
    Option("drain-strategy", STRING, "gradual (default): close connections spread over the drain time; immediate: "
           "each with its next response", "gradual"),
    Option("drain-time-s", NUMBER, "Seconds that connections have when the process ends, is replaced or a listener "
           "goes", 600),
    Option("file-flush-min-size-kb", NUMBER, "Access logs are written when this much is buffered", 64),
    Option("file-flush-interval-msec", NUMBER, "Access logs are written at least this often", 10000),
    Option("service-zone", STRING, "Zone of this node; goes before the bootstrap's"),
    Option("service-node", STRING, "Id of this node; goes before the bootstrap's"),
    Option("service-cluster", STRING, "Cluster of this node; goes before the bootstrap's"),
    Option("hot-restart-version", FLAG, "Prints what hot restart is compatible with and exits"),
    Option("restart-epoch", NUMBER, "How many hot restarts there were before this process"),
    Option("log-path", STRING, "File of the application log; standard error if not given"),
    Option("enable-fine-grain-logging", FLAG, "Accepted; excludes --component-log-level"),
    Option("log-format-escaped", FLAG, "Line ends and the like inside a log line become C escapes"),
    Option("log-format", STRING, f"Pattern of a log line, in spdlog's syntax\nDefault is \"{DEFAULT_FORMAT}\"",
           DEFAULT_FORMAT),
    Option("component-log-level", STRING, "Levels of single components: upstream:debug,config:trace"),
    Option("log-level", STRING, "trace, debug, info, warning (or warn), error, critical, off\nDefault is info", "info",
           short="l"),
    Option("local-address-ip-version", STRING, "v4 or v6: which local address describes this node", "v4"),
    Option("admin-address-path", STRING, "File that gets the admin's address as bound"),
    Option("log-stacktrace-single-entry", FLAG, "Accepted: a stack trace is one log entry anyway"),
    Option("skip-deprecated-logs", FLAG, "No warnings about deprecated fields"),
    Option("ignore-unknown-dynamic-fields", FLAG, "Unknown fields in dynamic resources: not even a warning"),
    Option("reject-unknown-dynamic-fields", FLAG, "Unknown fields in dynamic resources: refuse the resource"),
    Option("allow-unknown-static-fields", FLAG, "Unknown fields in the bootstrap: a warning instead of an error"),
    Option("allow-unknown-fields", FLAG, "Old name of --allow-unknown-static-fields"),
    Option("config-yaml", STRING, "YAML that is merged over the file of --config-path"),
    Option("config-path", STRING, "The bootstrap: .yaml, .yml, .json, .pb or .pb_text", short="c"),
    Option("concurrency", NUMBER, "Number of worker processes; usable cores if not given"),
    Option("base-id-path", STRING, "File that gets the base id"),
    Option("skip-hot-restart-parent-stats", FLAG, "Counters start at 0 after a hot restart"),
    Option("skip-hot-restart-on-no-parent", FLAG, "A restart epoch above 0 without a parent is an ordinary start"),
    Option("use-dynamic-base-id", FLAG, "Choose a base id that is free; not together with a restart epoch"),
    Option("base-id", NUMBER, "Tells instances on one machine apart"),
)
EXTRA_OPTIONS = (
    Option("bootstrap", STRING, "The same as --config-path (not in Envoy)"),
    Option("list-extensions", FLAG, "Prints the extensions that this build has and exits (not in Envoy)"),
    Option("role", STRING, "", hidden=True),                     # control | worker: what the supervisor starts
    Option("channel-fd", NUMBER, "", hidden=True),
)
STANDARD = (("[--]", "--,  --ignore_rest", "What follows is not read"),
            ("[--version]", "--version", "Prints the version and exits"),
            ("[-h]", "-h,  --help", "Prints this and exits"))


class UsageError(Exception):
    """A command line that cannot be understood; `argument`: TCLAP's name of the culprit."""

    def __init__(self, argument, problem):
        super().__init__(problem)
        self.argument = argument


class OptionError(Exception):
    """A flag whose value is wrong; the text is Envoy's."""


class Exit(Exception):
    """The command line asked for nothing but `text` on standard output."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text


class Options:
    """The flags' values as attributes (dashes become underscores); `argv`: the arguments as given;
    `given`: names of the flags that were there; `notes`: deprecation_notes()."""

    def __init__(self, argv=()):
        self.argv = list(argv)
        self.given = set()
        self.notes = []
        for option in OPTIONS + EXTRA_OPTIONS:
            setattr(self, option.attribute, list(option.default) if option.kind == MANY else option.default)


def parse(argv, program="gmosn"):
    """Options from the arguments after the program's name. UsageError, OptionError, Exit."""
    options = Options(argv)
    named = {}
    for option in OPTIONS + EXTRA_OPTIONS:
        named[f"--{option.name}"] = option
        if option.short:
            named[f"-{option.short}"] = option
    position = 0
    while position < len(argv):
        word = argv[position]
        position += 1
        if word in ("--", "--ignore_rest"):
            break
        if word in ("-h", "--help"):
            raise Exit(help_text(program))
        if word == "--version":
            raise Exit(f"\n{program}  version: {version_text()}\n\n")
        flag, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        option = named.get(flag)
        if option is None or (equals and option.kind == FLAG):
            raise UsageError(word, "Couldn't find match for argument")
        if option.kind != FLAG and not equals:
            if position == len(argv):
                raise UsageError(option.error_name, "Missing a value for this argument!")
            value = argv[position]
            position += 1
        _set(options, option, value)
    return check(options)


def _set(options, option, value):
    if option.name == "bootstrap":
        option = next(o for o in OPTIONS if o.name == "config-path")
    if option.kind == MANY:
        getattr(options, option.attribute).append(value)
        return
    if option.name in options.given:
        raise UsageError(option.error_name, "Argument already set!")
    options.given.add(option.name)
    if option.kind == NUMBER:
        if not re.fullmatch("[0-9]{1,10}", value) or int(value) > 0xffffffff:
            raise UsageError(option.error_name, f"Couldn't read argument value from string '{value}'")
        value = int(value)
    setattr(options, option.attribute, True if option.kind == FLAG else value)


def check(options):
    """Values that depend on more than themselves, with Envoy's words; fills in what was not given."""
    try:
        parse_level(options.log_level)
        components = parse_component_levels(options.component_log_level)
    except ValueError as exc:
        raise OptionError(str(exc)) from None
    if options.enable_fine_grain_logging and components:
        raise OptionError("error: --component-log-level will not work with --enable-fine-grain-logging")
    if options.mode not in ("serve", "validate", "init_only"):
        raise OptionError(f"error: unknown mode '{options.mode}'")
    if options.local_address_ip_version not in ("v4", "v6"):
        raise OptionError(f"error: unknown IP address version '{options.local_address_ip_version}'")
    if options.drain_strategy not in ("gradual", "immediate"):
        raise OptionError(f"error: unknown drain-strategy '{options.drain_strategy}'")
    if options.use_dynamic_base_id and options.restart_epoch:
        raise OptionError(f"error: cannot use --restart-epoch={options.restart_epoch} with --use-dynamic-base-id")
    if not re.fullmatch("[0-7]{1,4}", options.socket_mode):
        raise OptionError(f"error: invalid socket-mode '{options.socket_mode}'")
    for tag in options.stats_tag:
        _check_stats_tag(tag)
    if options.hot_restart_version:
        raise Exit(("disabled" if options.disable_hot_restart else HOT_RESTART_VERSION) + "\n")
    options.notes = deprecation_notes(options)
    options.concurrency = max(1, options.concurrency) if "concurrency" in options.given else usable_cores()
    return options


def deprecation_notes(options):
    """Warnings for flags that are on their way out, to be logged once by the first process."""
    notes = []
    if options.cpuset_threads:
        notes.append("--cpuset-threads is now the default behavior and no longer required.")
    if options.allow_unknown_fields:
        notes.append("--allow-unknown-fields is deprecated, use --allow-unknown-static-fields instead.")
    return notes


def _check_stats_tag(tag):
    name, colon, value = tag.partition(":")
    if not colon or not name or not value:
        raise OptionError(f"error: misformatted stats-tag '{tag}'")
    for part, pattern in ((name, "[A-Za-z0-9]+"), (value, "[^.]+")):
        if not re.fullmatch(pattern, part):
            raise OptionError(f"error: misformatted stats-tag '{tag}' contains invalid char in '{part}'")


def usable_cores(cgroup="/sys/fs/cgroup"):
    """Cores that this process may use: its CPU set, cut to the control group's quota (at least 1), as Envoy does."""
    cores = len(os.sched_getaffinity(0))
    try:
        with open("/proc/self/cgroup", encoding="ascii") as file:
            own = next((line[4:-1] for line in file if line.startswith("0::/")), "")
        with open(f"{cgroup}/{own}/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):                    # no cgroup v2 here, or "max": no quota
        return cores


def usage_text(program):
    """TCLAP's line of all flags."""
    shown = [option.usage for option in EXTRA_OPTIONS + OPTIONS if not option.hidden]
    text = f"{program}  " + " ".join(shown + [usage for usage, _, _ in STANDARD])
    return layout(text, 3, len(program) + 2)


def help_text(program):
    """What --help prints."""
    out = ["\nUSAGE: \n\n", usage_text(program), "\n\nWhere: \n\n"]
    entries = [(option.title, option.text) for option in EXTRA_OPTIONS + OPTIONS if not option.hidden]
    for title, text in entries + [(title, text) for _, title, text in STANDARD]:
        out += [layout(title, 3, 3), layout(text, 5, 0), "\n"]
    return "".join(out) + "\n   gmosn\n\n"


def layout(text, indent, second_line_offset):
    """TCLAP's line breaking: at spaces, commas and bars, 75 columns; later lines get the extra offset."""
    if len(text) + indent <= WIDTH:
        return " " * indent + text + "\n"
    out, start = [], 0
    allowed = WIDTH - indent
    while start < len(text):
        size = min(len(text) - start, allowed)
        if size == allowed:
            while size >= 0 and text[start + size:start + size + 1] not in (" ", ",", "|"):
                size -= 1
        if size <= 0:
            size = allowed
        newline = text.find("\n", start, start + size)
        if newline >= 0:
            size = newline - start + 1
        out.append(" " * indent + text[start:start + size] + "\n")
        if start == 0:
            indent += second_line_offset
            allowed -= second_line_offset
        while text[start + size:start + size + 1] == " " and start < len(text):
            start += 1
        start += size
    return "".join(out)


def parse_error_text(error, program):
    """What Envoy writes on standard error for a UsageError."""
    return (f"PARSE ERROR: Argument: {error.argument}\n             {error}\n\nBrief USAGE: \n{usage_text(program)}\n"
            f"For complete USAGE and HELP type: \n   {program} --help\n\n{error.argument} -- {error}\n")


def main(argv=None, program="gmosn"):
    """Runs the command line; returns the process's exit code."""
    try:
        options = parse(sys.argv[1:] if argv is None else argv, program)
    except UsageError as exc:
        sys.stderr.write(parse_error_text(exc, program))
        return 1
    except OptionError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    except Exit as exc:
        sys.stdout.write(exc.text)
        return 0
    return run(options)


def program():
    """main() as a process of its own: does not return."""
    gc.disable()             # what starting makes stays; who goes on running switches it on (roles.py, supervise())
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)                                   # tearing the interpreter down takes 50 ms and nothing needs it


def run(options):
    """Plays the role that the options ask for."""
    if options.role:
        from gmosn.server.roles import run_role
        return run_role(options, _extensions)
    if options.list_extensions:
        for (category, name), target in sorted(_extensions().add_installed().items()):
            print(f"{category}  {name}  {target}")
        return 0
    if not options.config_path and not options.config_yaml:
        sys.stderr.write(f"{NO_CONFIG}\n")
        return 1
    if options.mode == "validate":
        from gmosn.server.validate import validate
        return validate(options, _extensions())
    from gmosn.server.supervisor import supervise
    return supervise(options)


def _extensions():
    from gmosn.extensions import extension_table
    return extension_table()
