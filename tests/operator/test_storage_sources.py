import pytest

from mooring_api.v1beta1 import Predictor
from mooring_operator.core.observed import Manifest
from mooring_operator.core.refusal import Refused
from mooring_operator.core.storage_sources import claim_of, sources

ENV = [{"name": "STORAGE_URI", "value": "gs://b/m"}]


@pytest.mark.parametrize(
    ("predictor", "expected"),
    [
        ({"containers": [{"image": "a"}]}, []),
        ({"model": {"modelFormat": {"name": "x"}}}, []),
        ({"pytorch": {"storageUri": "s3://b/m"}}, [("s3://b/m", "/mnt/models")]),
        ({"containers": [{"image": "a"}, {"image": "b", "env": ENV}]}, [("gs://b/m", "/mnt/models")]),
        (
            {"pytorch": {}, "storageUris": [{"uri": "s3://b/1", "mountPath": "/mnt/a"}, {"uri": "pvc://c"}]},
            [("s3://b/1", "/mnt/a"), ("pvc://c", "/mnt/models")],
        ),
    ],
    ids=["custom", "model", "storageUri", "env", "storageUris"],
)
def test_a_source_is_read_from_wherever_it_is_written(predictor: Manifest, expected: list[tuple[str, str]]) -> None:
    found = sources(Predictor.model_validate(predictor))
    assert [(source.uri.text, source.mount_path) for source in found] == expected


@pytest.mark.parametrize(
    "uri", ["ftp://h/m", "/mnt/x", "s3://", "http://[::1"], ids=["scheme", "path", "bucket", "host"]
)
def test_a_source_that_cannot_be_fetched_is_refused(uri: str) -> None:
    with pytest.raises(Refused) as caught:
        sources(Predictor.model_validate({"pytorch": {"storageUri": uri}}))
    assert caught.value.reason == "InvalidStorageUri"


def test_only_a_pvc_uri_names_a_claim() -> None:
    assert [claim_of(uri) for uri in ("pvc://c/m", "s3://c/m", "nonsense")] == ["c", None, None]
