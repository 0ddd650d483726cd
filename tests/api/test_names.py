"""Names and paths that more than one process spells."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_api import names, v2

SERVICES = st.from_regex(names.SERVICE_NAME_PATTERN, fullmatch=True).filter(lambda name: len(name) <= 48)


@given(SERVICES)
def test_children_of_a_valid_service_fit_their_limits(name: str) -> None:
    assert len(names.predictor_name(name)) <= 63
    assert len(names.app_label(names.predictor_name(name))) <= 63
    assert len(names.model_config_map_name(name)) <= 253


@given(SERVICES)
def test_a_childs_name_leads_back_to_its_service(name: str) -> None:
    for child in (name, names.predictor_name(name), names.model_config_map_name(name)):
        assert name in names.inference_services_of(child)


@pytest.mark.parametrize("name", ["a", "a1", "custom-model-mms", "a-b-c"])
def test_service_names_that_are_admitted(name: str) -> None:
    assert re.match(names.SERVICE_NAME_PATTERN, name)


@pytest.mark.parametrize("name", ["", "1a", "-a", "a-", "a.b", "A", "a_b", "ä"])
def test_service_names_that_are_refused(name: str) -> None:
    assert not re.match(names.SERVICE_NAME_PATTERN, name)


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "a b", "..", "ä"])
def test_model_names_that_are_refused(name: str) -> None:
    assert not re.match(names.MODEL_NAME_PATTERN, name)


@pytest.mark.parametrize(
    ("protocol", "path"),
    [("v1", "/v1/models/m:predict"), ("v2", "/v2/models/m/infer"), ("grpc-v1", ""), ("grpc-v2", "")],
)
def test_inference_paths_of_the_protocols(protocol: str, path: str) -> None:
    assert names.infer_path("m", protocol) == path


@given(st.text(min_size=1, max_size=20))
def test_a_models_name_stays_one_segment_of_the_path(name: str) -> None:
    for path, segments in ((v2.load_path(name), 6), (v2.unload_path(name), 6), (v2.ready_path(name), 5)):
        assert path.count("/") == segments - 1
        assert not set("?# ") & set(path)


def test_v2_paths_are_the_protocols() -> None:
    assert v2.load_path("m") == "/v2/repository/models/m/load"
    assert v2.unload_path("m") == "/v2/repository/models/m/unload"
    assert v2.ready_path("m") == "/v2/models/m/ready"
