"""Bootstraps of real projects load, or are refused by nothing but an honest "not implemented" that names a place."""
import json
import re

import pytest
from google.protobuf import json_format

from gmosn.cli import parse
from gmosn.config import descriptors
from gmosn.config.loader import BOOTSTRAP, load_bootstrap, load_text
from gmosn.config.yaml_reader import read_yaml
from gmosn.errors import ConfigErrors
from tests.helpers.fixtures import shared_fixtures, shared_names

HONEST = re.compile(r":\d+:\d+ [\w.\[\]\"@-]+: gmosn does not implement the (field '|extension type ')")
# Types of Envoy's contrib build or of Istio's own, which the Envoy at hand does not know either.
FOREIGN = re.compile(r"could not find @type 'type.googleapis.com/envoy.extensions.filters.network.(golang|kafka_\w+)\."
                     r"|Didn't find a registered implementation for type URL: 'type.googleapis.com/istio\.")
EXAMPLES = shared_names("envoy-examples", "*.yaml")
ISTIO = shared_names("istio-bootstraps", "*.json")


def check_loads_or_says_why(path):
    try:
        load_bootstrap(parse(["-c", str(path)]))
    except ConfigErrors as exc:
        texts = [str(error) for error in exc.errors]
        assert [text for text in texts if not HONEST.search(text) and not FOREIGN.search(text)] == []


@pytest.mark.parametrize("name", EXAMPLES or ["missing"])
def test_envoy_examples(name):
    check_loads_or_says_why(shared_fixtures("envoy-examples", name))


@pytest.mark.parametrize("name", ISTIO or ["missing"])
def test_istio_bootstraps(name):
    check_loads_or_says_why(shared_fixtures("istio-bootstraps", name))


@pytest.mark.parametrize("name", ISTIO or ["missing"])
def test_filled_as_json_format_fills(name):
    """Where protobuf's stricter parser accepts a file, both make the same message."""
    text = shared_fixtures("istio-bootstraps", name).read_text()
    try:
        expected = json_format.Parse(text, descriptors.message_class(BOOTSTRAP)(), descriptor_pool=descriptors.pool())
    except json_format.ParseError as exc:
        pytest.skip(f"json_format: {str(exc)[:80]}")
    if "istio.workload" in text:
        pytest.skip("a TypedStruct of Istio's own type, which is refused")
    loaded = load_text(text, check_support=False).message
    assert loaded.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
    assert read_yaml(text) == json.loads(text)
