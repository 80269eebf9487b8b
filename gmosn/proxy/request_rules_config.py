"""RequestRules from an HttpConnectionManager message."""
import fcntl
import socket
import struct

from gmosn.errors import ConfigError, ConfigErrors
from gmosn.io.address import CidrSet
from gmosn.proxy.path_rules import KEEP
from gmosn.proxy.request_rules import STRIP_ANY, STRIP_MATCHING, STRIP_NONE, RequestRules

ALWAYS_FORWARD_ONLY = 4                      # ForwardClientCertDetails
SIOCGIFADDR = 0x8915


def build_request_rules(hcm, context):
    """The RequestRules of an HCM message. Raises ConfigErrors with all that is refused."""
    errors = []
    rules = RequestRules()
    try:
        _addresses(rules, hcm)
    except ConfigError as exc:
        errors.append(exc)
    if hcm.strip_matching_host_port and hcm.WhichOneof("strip_port_mode"):
        errors.append(ConfigError("Error: Only one of `strip_matching_host_port` or `strip_any_host_port` can be set.",
                                  ("strip_any_host_port",)))
    if errors:
        raise ConfigErrors(errors)
    rules.strip_port = (STRIP_MATCHING if hcm.strip_matching_host_port
                        else STRIP_ANY if hcm.strip_any_host_port else STRIP_NONE)
    rules.strip_dot = hcm.strip_trailing_host_dot
    rules.normalize_path = hcm.normalize_path.value
    rules.merge_slashes = hcm.merge_slashes
    rules.escaped_slashes = hcm.path_with_escaped_slashes_action or KEEP
    rules.looks_at_path = rules.normalize_path or rules.merge_slashes or rules.escaped_slashes > KEEP
    rules.generate_id = hcm.generate_request_id.value if hcm.HasField("generate_request_id") else True
    rules.preserve_id = hcm.preserve_external_request_id
    rules.always_set_id = hcm.always_set_request_id_in_response
    rules.server_name = hcm.server_name.encode() or b"envoy"
    rules.server_mode = hcm.server_header_transformation
    rules.via = hcm.via.encode() or None
    rules.keep_client_cert = hcm.forward_client_cert_details == ALWAYS_FORWARD_ONLY
    rules.scheme = hcm.scheme_header_transformation.scheme_to_overwrite.encode() or None
    rules.add_user_agent = hcm.add_user_agent.value
    if rules.add_user_agent:
        rules.service_cluster, rules.service_node = _node(context)
    return rules


def _addresses(rules, hcm):
    """Who the client is, and who counts as internal."""
    rules.use_remote_address = hcm.use_remote_address.value
    rules.trusted_hops = hcm.xff_num_trusted_hops
    rules.skip_xff_append = hcm.skip_xff_append
    rules.map_ipv4 = hcm.represent_ipv4_remote_address_as_ipv4_mapped_ipv6
    rules.append_port = hcm.append_x_forwarded_port
    if rules.use_remote_address and not rules.skip_xff_append:
        rules.own_address = own_address()
    if hcm.HasField("internal_address_config"):
        rules.internal_unix = hcm.internal_address_config.unix_sockets
        try:
            rules.internal = CidrSet.from_proto(hcm.internal_address_config.cidr_ranges)
        except ConfigError as exc:
            raise exc.under("internal_address_config", "cidr_ranges")


def _node(context):
    """(service cluster, service node) as bytes; the command line beats the bootstrap."""
    node = context.bootstrap.node if context.bootstrap is not None else None
    options = context.options
    return tuple((getattr(options, flag, "") or (getattr(node, field) if node is not None else "")).encode()
                 for flag, field in (("service_cluster", "cluster"), ("service_node", "id")))


def own_address():
    """This machine's first IPv4 address that is not loopback (b"127.0.0.1" without one): how Envoy names itself in
    x-forwarded-for."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:                  # an interface without IPv4 address
                continue
            text = socket.inet_ntoa(answer[20:24])
            if not text.startswith("127."):
                return text.encode()
    return b"127.0.0.1"
