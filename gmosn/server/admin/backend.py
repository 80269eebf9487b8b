"""What the admin asks of the process it lives in. The control process implements `Backend`; tests use a fake."""


class ConfigEntry:
    """One resource as /config_dump shows it.

    `message`: the proto; `dynamic`: came over xDS; `version`: version_info ("" for static ones); `updated_s`: wall
    clock of its last change; `state`: "active" | "warming" | "draining"; `error`: (text, version, wall clock) of the
    last rejected update, or None. A resource that was never accepted has `message` None and `name` set.
    """

    __slots__ = ("name", "message", "dynamic", "version", "updated_s", "state", "error")

    def __init__(self, name, message, *, dynamic=False, version="", updated_s=0.0, state="active", error=None):
        self.name = name
        self.message = message
        self.dynamic = dynamic
        self.version = version
        self.updated_s = updated_s
        self.state = state
        self.error = error


class Backend:
    """Attributes, none of which changes its identity after start:

    `options`: the command line (argparse.Namespace with every flag of cli.py); `bootstrap`: the Bootstrap message as
    loaded; `node`: core.v3.Node after the command line's overrides; `state`: server.state.ServerState;
    `logs`: observe.log.Logs of this process; `stats`: this process's observe.stats.Stats at the root;
    `loaded_s`: wall clock when the bootstrap was loaded; `version`, `hot_restart_version`: as --version and
    --hot-restart-version print them; `unpack(any)`: the message inside an Any (FactoryContext.unpack).
    """

    options = bootstrap = node = state = logs = stats = unpack = None
    loaded_s = 0.0
    version = hot_restart_version = ""

    def readers(self):
        """observe.stats_reader.SegmentReader of every process whose stats count: control's first, then the workers' in
        their order (also of one that is just being replaced). The same objects every time."""
        raise NotImplementedError

    def worker_pids(self):
        """Process ids of the whole tree except this process, for memory figures. Includes the supervisor."""
        raise NotImplementedError

    def entries(self, kind):
        """ConfigEntry list, in the order in which they were added. `kind`: "cluster" | "listener" | "route" | "secret"
        | "endpoint" (ClusterLoadAssignment as it is now: from the file, EDS or DNS; one per cluster, named like it)."""
        raise NotImplementedError

    def config_version(self, kind):
        """The version_info of the last accepted whole update of "cluster" (CDS) or "listener" (LDS); "" when there is
        none."""
        return ""

    def listener_addresses(self, name):
        """io.address.Address of every socket of a listener, as bound (the real port for port 0)."""
        raise NotImplementedError

    def host_health(self, cluster, address):
        """Set of health flags of a host as /clusters prints them, without the slash: "failed_active_hc",
        "failed_outlier_check", "failed_eds_health", "degraded_active_hc", "degraded_eds_health",
        "pending_dynamic_removal". Empty = healthy. `address`: as printed, "1.2.3.4:80"."""
        return frozenset()

    def unready_targets(self):
        """Names of what initialization still waits for, for /init_dump."""
        return []

    def text_readouts(self):
        """Name -> text of string stats, e.g. "cluster_manager.cds.version_text"."""
        return {}

    def drain_listeners(self, graceful, skip_exit, inbound_only):
        """POST /drain_listeners. Must not block until the drain is over."""
        raise NotImplementedError

    def quit(self):
        """POST /quitquitquit: as SIGTERM. Returns at once; the response is still sent."""
        raise NotImplementedError

    def set_health(self, passing):
        """POST /healthcheck/ok (True) or fail (False), in every process."""
        raise NotImplementedError

    def reopen_logs(self):
        """POST /reopen_logs: as SIGUSR1."""
        raise NotImplementedError

    def set_log_levels(self, levels):
        """Applies {component: level number} in every process, this one included."""
        raise NotImplementedError

    def set_runtime(self, overrides):
        """The admin layer's {key: text or None} changed; tells who uses runtime values. May raise ValueError(text)."""
