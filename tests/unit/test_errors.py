from gmosn.errors import ConfigError, ConfigErrors, UpstreamConnectFailure, format_path


def test_path_is_written_like_a_place_in_the_file():
    assert format_path(("static_resources", "clusters", 0, "typed_extension_protocol_options", "envoy.x.v3.Y")) == \
        'static_resources.clusters[0].typed_extension_protocol_options["envoy.x.v3.Y"]'


def test_under_puts_the_prefix_in_front():
    error = ConfigError("no such cluster", ("route", "cluster")).under("virtual_hosts", 1)
    assert str(error) == "virtual_hosts[1].route.cluster: no such cluster"


def test_under_reaches_every_error_of_a_group():
    group = ConfigErrors([ConfigError("a", ("x",)), ConfigError("b")]).under("listeners", 0)
    assert [str(e) for e in group.errors] == ["listeners[0].x: a", "listeners[0]: b"]


def test_transport_failure_is_in_the_details_but_not_told_to_clients():
    error = UpstreamConnectFailure(transport_failure="delayed connect error: Connection refused")
    assert error.text.endswith("reset reason: remote connection failure")
    assert error.details == "upstream_reset_before_response_started{remote_connection_failure|" \
                            "delayed_connect_error:_Connection_refused}"
    assert (error.status, error.flag, "connect-failure" in error.retry_on) == (503, "UF", True)
