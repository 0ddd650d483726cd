"""models.json: equal lists give equal bytes, whatever their order; what is written can be read."""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_api.model_config import InvalidModelConfig, ModelConfig, digest, download_id, dumps, loads
from mooring_api.v1alpha1 import ModelSpec

NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
URIS = st.from_regex(r"(s3|gs|pvc|https?)://[a-z0-9.-]{1,12}(/[a-zäöü0-9?=%&]{0,8}){0,3}", fullmatch=True)
MEMORY = st.from_regex(r"[1-9][0-9]{0,3}(Ki|Mi|Gi|k|M|G)?", fullmatch=True)


def entry(name: str, uri: str = "s3://bucket/a", framework: str = "custom", memory: str = "256Mi") -> ModelConfig:
    return ModelConfig(model_name=name, model_spec=ModelSpec(storage_uri=uri, framework=framework, memory=memory))


ENTRIES = st.builds(entry, NAMES, URIS, st.text(max_size=12), MEMORY)
SPECS = ENTRIES.map(lambda one: one.model_spec)
LISTS = st.lists(ENTRIES, max_size=8, unique_by=lambda entry: entry.model_name)


@given(LISTS)
def test_what_is_written_can_be_read(entries: list[ModelConfig]) -> None:
    assert sorted(loads(dumps(entries)), key=lambda e: e.model_name) == sorted(entries, key=lambda e: e.model_name)


@given(LISTS, st.randoms(use_true_random=False))
def test_the_order_of_the_entries_does_not_show(entries: list[ModelConfig], random: Random) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert dumps(shuffled) == dumps(entries)
    assert digest(dumps(shuffled)) == digest(dumps(entries))


@given(LISTS)
def test_reading_and_writing_again_changes_nothing(entries: list[ModelConfig]) -> None:
    assert dumps(loads(dumps(entries))) == dumps(entries)


@given(LISTS)
def test_text_and_its_bytes_have_one_digest_and_one_meaning(entries: list[ModelConfig]) -> None:
    text = dumps(entries)
    assert digest(text) == digest(text.encode())
    assert loads(text) == loads(text.encode())


def test_the_bytes_are_the_golden_ones(root: Path) -> None:
    entries = [
        entry("model2-custom", "gs://bucket/models/model2", "pytorch", "1Gi"),
        entry("model1-custom", "s3://bucket/models/model1"),
        entry("Zwei", "https://host.example/größe.tar.gz?v=1", "sklearn", "0.5"),
    ]
    assert dumps(entries) == (root / "tests" / "golden" / "api" / "models.json").read_text()


def test_kserves_own_text_is_read_and_more_than_we_know_is_ignored() -> None:
    spec = {"storageUri": "s3://b/m", "framework": "custom", "memory": "256Mi", "futureField": 1}
    (read,) = loads(json.dumps([{"modelName": "m", "modelSpec": spec, "other": []}]))
    assert read == entry("m", "s3://b/m")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the document"),
        ("{", "the document"),
        ("{}", "the document"),
        ("[{}]", "0.modelName"),
        (
            '[{"modelName": "a", "modelSpec": {"storageUri": "ftp://x", "framework": "c", "memory": "1Gi"}}]',
            "storageUri",
        ),
        ('[{"modelName": "a", "modelSpec": {"storageUri": "s3://x", "framework": "c", "memory": "much"}}]', "memory"),
    ],
)
def test_a_bad_list_is_refused_with_the_place(text: str, says: str) -> None:
    with pytest.raises(InvalidModelConfig, match=says):
        loads(text)


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(InvalidModelConfig, match="'a' is listed twice"):
        loads(dumps([entry("a"), entry("a", "s3://bucket/other")]))


@given(SPECS, SPECS)
def test_only_the_uri_decides_what_is_downloaded(one: ModelSpec, other: ModelSpec) -> None:
    assert (download_id(one) == download_id(other)) == (one.storage_uri == other.storage_uri)
    assert download_id(one) == download_id(one.model_copy(update={"memory": other.memory}))
