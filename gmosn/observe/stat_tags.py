"""Takes Envoy's tags out of stat names: "cluster.c0.upstream_rq_200" -> "cluster.upstream_rq", envoy.response_code=200,
envoy.cluster_name=c0. Only the admin's Prometheus page needs it; on the wire and in shared memory there are plain
names.

Every rule looks at the whole name; what all rules cut out goes at the end. A tag is taken once, from the first rule
that matches. Rules without a fixed first word come first, then those of the name's first word, as in Envoy: that
decides the order of labels.
"""
import re

from gmosn.errors import ConfigError

_ADDRESS = r"(?:(?:\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[[a-fA-F_\d]+\])_\d+)"
_WORD = r"[^.]+"
_SUITE = r"[\w-]+"
_OWNER = r"(?:listener|cluster)\..*?"

# (tag, first word or None, pattern: group 1 is cut out and group 2 is the value, a value that is not a match)
_EXPRESSIONS = (
    ("envoy.response_code", None, r"_rq(_(\d{3}))$", None),
    ("envoy.response_code_class", None, r"_rq_((\d))xx$", None),
    ("envoy.dynamo_partition_id", "http", rf"^http\.{_WORD}\.dynamodb\.table\.{_WORD}\.capacity\.{_WORD}"
                                          r"(\.__partition_id=(\w{7}))$", None),
    ("envoy.dynamo_operation", "http", rf"^http\.{_WORD}\.dynamodb.(?:operation|table\.{_WORD}\.capacity)"
                                       rf"(\.({_WORD}))(?:\.|$)", None),
    ("envoy.dynamo_table", "http", rf"^http\.{_WORD}\.dynamodb.(?:table|error)\.(({_WORD})\.)", None),
    ("envoy.ssl_cipher", "listener", rf"^listener\..*?\.ssl\.ciphers(\.({_SUITE}))$", None),
    ("envoy.ssl_curve", None, rf"^{_OWNER}\.ssl\.curves(\.({_SUITE}))$", None),
    ("envoy.ssl_sigalg", None, rf"^{_OWNER}\.ssl\.sigalgs(\.({_SUITE}))$", None),
    ("envoy.ssl_version", None, rf"^{_OWNER}\.ssl\.versions(\.(TLSv\d\.\d))$", None),
    ("cipher_suite", "cluster", rf"^cluster\.{_WORD}\.ssl\.ciphers(\.({_SUITE}))$", None),
    ("envoy.http_conn_manager_prefix", "listener", rf"^listener\..*?\.http\.(({_WORD})\.)", None),
    ("envoy.worker_id", None, rf"^(?:listener\.(?:{_ADDRESS}|{_WORD})|server|listener_manager|"
                              r"thread_local_cluster_manager)\.worker_((\d+)\.)", None),
    ("envoy.listener_address", "listener", rf"^listener\.(({_ADDRESS}|{_WORD})\.)", "admin"),
    ("envoy.rds_route_config", "http", rf"^http\.{_WORD}\.rds\.(([\w\-./]+)\.)\w+?$", None),
    ("envoy.scoped_rds_config", "http", rf"^http\.{_WORD}\.scoped_rds\.(([\w\-.]+)\.)\w+?$", None),
    ("envoy.rbac_policy_name", "http", rf"^http\.{_WORD}\.rbac\.(?:{_WORD}\.)?policy\.(({_WORD})\.)"
                                       r"(allowed|shadow_allowed|denied|shadow_denied)$", None),
    ("envoy.rbac_http_prefix", "http", rf"^http\.{_WORD}\.rbac\.(({_WORD})\.).*?", "policy"),
    ("envoy.proxy_protocol_prefix", "proxy_proto", rf"^proxy_proto\.(({_WORD})\.).+$", "versions"),
    ("envoy.proxy_protocol_version", "proxy_proto", rf"^proxy_proto\.((?:{_WORD}\.)?versions\.v(\d)\.)\w+$", None),
    ("envoy.tls_certificate", None, rf"^{_OWNER}\.ssl\.certificate\.(({_WORD})\.).*$", None),
    ("envoy.xds_resource_name", "sds", rf"^sds\.(({_WORD})\.).+", None),
)

# (tag, words): $ is the value, * any one word, ** one word or more
_SHAPES = (
    ("envoy.mongo_callsite", "mongo.*.collection.*.callsite.$.query.**"),
    ("envoy.mongo_collection", "mongo.*.collection.$.**.query.*"),
    ("envoy.mongo_cmd", "mongo.*.cmd.$.**"),
    ("envoy.grpc_bridge_method", "cluster.*.grpc.*.$.**"),
    ("envoy.http_user_agent", "http.*.user_agent.$.**"),
    ("envoy.virtual_cluster", "vhost.*.vcluster.$.**"),
    ("envoy.fault_downstream_cluster", "http.*.fault.$.**"),
    ("envoy.grpc_bridge_service", "cluster.*.grpc.$.**"),
    ("envoy.tcp_prefix", "tcp.$.**"),
    ("envoy.udp_prefix", "udp.$.**"),
    ("envoy.clientssl_prefix", "auth.clientssl.$.**"),
    ("envoy.ratelimit_prefix", "ratelimit.$.**"),
    ("envoy.cluster_name", "cluster.$.**"),
    ("envoy.ext_authz_prefix", "cluster.*.ext_authz.$.**"),
    ("envoy.ext_authz_prefix", "http.*.ext_authz.$.**"),
    ("envoy.http_conn_manager_prefix", "http.$.**"),
    ("envoy.virtual_host", "vhost.$.**"),
    ("envoy.mongo_prefix", "mongo.$.**"),
    ("envoy.route", "vhost.*.route.$.**"),
    ("envoy.thrift_prefix", "thrift.$.**"),
    ("envoy.redis_prefix", "redis.$.**"),
    ("envoy.local_http_ratelimit_prefix", "$.http_local_rate_limit.**"),
    ("envoy.local_network_ratelimit_prefix", "local_rate_limit.$.**"),
    ("envoy.local_listener_ratelimit_prefix", "listener_local_ratelimit.$.**"),
    ("envoy.dns_filter_prefix", "dns_filter.$.**"),
    ("envoy.connection_limit_prefix", "connection_limit.$.**"),
    ("envoy.rbac_prefix", "$.rbac.**"),
    ("envoy.google_grpc_client_prefix", "grpc.$.**"),
)


class _Rule:
    __slots__ = ("tag", "first_word", "pattern", "excluded")

    def __init__(self, tag, first_word, pattern, excluded=None):
        self.tag = tag
        self.first_word = first_word
        self.pattern = pattern
        self.excluded = excluded


def _shape(tag, words):
    parts = {"$": rf"(({_WORD})\.)", "*": rf"{_WORD}\.", "**": r".+\."}
    pattern = "".join(parts.get(word) or re.escape(word) + r"\." for word in words.split("."))
    first_word = words.partition(".")[0]
    return _Rule(tag, None if first_word in parts else first_word, re.compile(f"^{pattern[:-2]}$"))


def default_rules():
    """Envoy 1.40's default rules."""
    rules = [_Rule(tag, word, re.compile(pattern, re.ASCII), excluded) for tag, word, pattern, excluded in _EXPRESSIONS]
    return rules + [_shape(tag, words) for tag, words in _SHAPES]


class StatTags:
    """The rules of one configuration.

    `tags`: (tag name, regex or "" for the default rules of that name, fixed value or None) per TagSpecifier;
    `use_defaults`: use_all_default_tags; `cli_tags`: ("name", "value") of every --stats-tag. Raises ConfigError.
    """

    def __init__(self, tags=(), use_defaults=True, cli_tags=()):
        self.fixed = []
        self._seen = {}
        defaults = default_rules()
        rules = defaults if use_defaults else []
        self.fixed.extend(cli_tags)
        for index, (tag, regex, value) in enumerate(tags):
            if value is not None:
                self.fixed.append((tag, value))
            else:
                rules = rules + _custom_rules(tag, regex, defaults, ("stats_tags", index))
        self._anywhere = [rule for rule in rules if rule.first_word is None]
        self._by_word = {}
        for rule in rules:
            if rule.first_word is not None:
                self._by_word.setdefault(rule.first_word, []).append(rule)

    @classmethod
    def from_proto(cls, stats_config, cli_tags=()):
        """From a metrics.v3.StatsConfig (or None)."""
        if stats_config is None:
            return cls(cli_tags=cli_tags)
        tags = [(tag.tag_name, tag.regex, tag.fixed_value if tag.HasField("fixed_value") else None)
                for tag in stats_config.stats_tags]
        use = not stats_config.HasField("use_all_default_tags") or stats_config.use_all_default_tags.value
        return cls(tags, use, cli_tags)

    def extract(self, name):
        """(name without its tags, [(tag, value), ...]), fixed tags first. Remembered per name."""
        known = self._seen.get(name)
        if known is None:
            known = self._seen[name] = self._extract(name)
        return known

    def _extract(self, name):
        tags, cuts, taken = list(self.fixed), [], set()
        for rules in (self._anywhere, self._by_word.get(name.partition(".")[0], ())):
            for rule in rules:
                if rule.tag in taken:
                    continue
                match = rule.pattern.search(name)
                if match is None:
                    continue
                value = match.group(2) if rule.pattern.groups > 1 and match.group(2) is not None else match.group(1)
                if value == rule.excluded:
                    continue
                taken.add(rule.tag)
                tags.append((rule.tag, value))
                cuts.append(match.span(1))
        return _without(name, cuts), tags


def _custom_rules(tag, regex, defaults, path):
    if not regex:
        rules = [rule for rule in defaults if rule.tag == tag]
        if not rules:
            raise ConfigError(f"No regex specified for tag specifier and no default regex for name: '{tag}'", path)
        return rules
    try:
        pattern = re.compile(regex)
    except re.error as exc:
        raise ConfigError(f"Invalid regex '{regex}': {exc}", (*path, "regex")) from None
    if not pattern.groups:
        raise ConfigError(f"Invalid regex '{regex}': a tag's regex needs a capture group", (*path, "regex"))
    first = re.match(r"\^(\w+)\\\.", regex)
    return [_Rule(tag, first.group(1) if first else None, pattern)]


def _without(name, cuts):
    """`name` without the spans in `cuts`, which may overlap."""
    if not cuts:
        return name
    out, position = [], 0
    for start, end in sorted(cuts):
        if start > position:
            out.append(name[position:start])
        position = max(position, end)
    out.append(name[position:])
    return "".join(out)


def parse_cli_tags(texts):
    """["tag:value", ...] of --stats-tag -> pairs; ValueError in Envoy's words."""
    pairs = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            raise ValueError(f"error: misformatted stats-tag '{text}'")
        if not re.fullmatch(r"[A-Za-z0-9_]*", name, re.ASCII):
            raise ValueError(f"error: misformatted stats-tag '{text}' contains invalid char in '{name}'")
        if "." in value or not value:
            raise ValueError(f"error: misformatted stats-tag '{text}' contains invalid char in '{value}'")
        pairs.append((name, value))
    return pairs
