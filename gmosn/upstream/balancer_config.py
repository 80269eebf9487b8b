"""From a Cluster's lb_policy or load_balancing_policy to a balancer."""
from functools import partial

from gmosn.errors import ConfigError
from gmosn.upstream.load_balancer import PANIC_THRESHOLD, LeastRequest, Random, RoundRobin

ROUND_ROBIN, LEAST_REQUEST, RING_HASH, RANDOM, MAGLEV, CLUSTER_PROVIDED, POLICY_CONFIG = 0, 1, 2, 3, 5, 6, 7
POLICIES = "envoy.extensions.load_balancing_policies"
KINDS = {f"{POLICIES}.round_robin.v3.RoundRobin": RoundRobin, f"{POLICIES}.random.v3.Random": Random,
         f"{POLICIES}.least_request.v3.LeastRequest": LeastRequest}
FULL_SCAN = 1                            # LeastRequest.SelectionMethod


def balancer_factory(proto, context):
    """A function without arguments that makes the cluster's LoadBalancer. Raises ConfigError."""
    panic = PANIC_THRESHOLD
    if proto.common_lb_config.HasField("healthy_panic_threshold"):
        panic = min(100, int(proto.common_lb_config.healthy_panic_threshold.value))
    if proto.HasField("load_balancing_policy"):
        return _from_policies(proto, context, panic)
    weighted = proto.common_lb_config.HasField("locality_weighted_lb_config")
    common = dict(panic_threshold=panic, locality_weighted=weighted)
    if proto.lb_policy == ROUND_ROBIN:
        return partial(RoundRobin, **common)
    if proto.lb_policy == RANDOM:
        return partial(Random, **common)
    if proto.lb_policy == LEAST_REQUEST:
        return _least_request(proto.least_request_lb_config, common, False)
    if proto.lb_policy == POLICY_CONFIG:
        raise ConfigError("cluster: field load_balancing_policy need to be set", ("lb_policy",))
    name = type(proto).DESCRIPTOR.fields_by_name["lb_policy"].enum_type.values_by_number[proto.lb_policy].name
    raise ConfigError(f"gmosn does not implement the load balancing policy {name}", ("lb_policy",))


def _from_policies(proto, context, panic):
    """The first policy of the list that gmosn knows, as Envoy takes the first that it knows."""
    names = []
    for policy in proto.load_balancing_policy.policies:
        config = policy.typed_extension_config
        names.append(config.name)
        message = context.unpack(config.typed_config)
        full_name = message.DESCRIPTOR.full_name
        kind = KINDS.get(full_name)
        if kind is None:
            continue
        weighted = message.locality_lb_config.HasField("locality_weighted_lb_config")
        common = dict(panic_threshold=panic, locality_weighted=weighted)
        if kind is not LeastRequest:
            return partial(kind, **common)
        return _least_request(message, common, message.selection_method == FULL_SCAN or message.enable_full_scan.value)
    raise ConfigError(f"cluster: didn't find a registered load balancer factory for cluster: '{proto.name}' with names "
                      f"from [{', '.join(names)}]", ("load_balancing_policy",))


def _least_request(config, common, full_scan):
    choices = config.choice_count.value if config.HasField("choice_count") else 2
    bias = config.active_request_bias.default_value if config.HasField("active_request_bias") else 1.0
    return partial(LeastRequest, choices, bias, full_scan, **common)
