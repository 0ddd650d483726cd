from collections.abc import Callable

import pytest

from mooring_api.v1beta1 import Predictor
from mooring_operator.core.observed import Manifest, Meta, Runtime
from mooring_operator.core.placement import Placement, env_value, place
from mooring_operator.core.refusal import Refused
from mooring_operator.settings import Resources

META = Meta("svc", "ns", labels={"team": "a"})
Build = Callable[..., Runtime]


def _place(
    predictor: Manifest, *runtimes: Runtime, has_storage: bool = True, defaults: Manifest | None = None
) -> Placement:
    resources = Resources.model_validate(defaults or {})
    return place(META, Predictor.model_validate(predictor), runtimes, resources, has_storage=has_storage)


@pytest.mark.parametrize(
    ("containers", "images"),
    [
        ([{"image": "a"}], ["a"]),
        ([{"name": "mine", "image": "a"}], ["a"]),
        ([{"image": "a"}, {"name": "b", "image": "b"}], ["a", "b"]),
        ([{"name": "b", "image": "b"}, {"name": "kserve-container", "image": "a"}], ["a", "b"]),
    ],
    ids=["unnamed", "single", "first-unnamed", "named-comes-first"],
)
def test_one_custom_container_is_the_model_server(containers: list[Manifest], images: list[str]) -> None:
    placed = _place({"containers": containers})
    assert placed.main["name"] == "kserve-container"
    assert [placed.main["image"], *(container["image"] for container in placed.sidecars)] == images


def test_several_custom_containers_need_one_with_the_known_name() -> None:
    with pytest.raises(Refused, match="named kserve-container"):
        _place({"containers": [{"name": "a"}, {"name": "b"}]})


def test_resources_are_defaulted_only_where_none_are_given() -> None:
    defaults = {"limits": {"cpu": "1"}}
    assert _place({"containers": [{"image": "a"}]}, defaults=defaults).main["resources"] == {"limits": {"cpu": "1"}}
    own: Manifest = {"image": "a", "resources": {"limits": {"memory": "1Gi"}}}
    assert _place({"containers": [own]}, defaults=defaults).main["resources"] == own["resources"]
    assert "resources" not in _place({"containers": [{"image": "a"}]}).main


@pytest.mark.parametrize(
    ("env", "protocol"),
    [([], "v2"), ([{"name": "PROTOCOL", "value": "v1"}], "v1"), ([{"name": "PROTOCOL", "valueFrom": {}}], "v2")],
    ids=["default", "env", "not-literal"],
)
def test_a_custom_containers_protocol_comes_from_its_env(env: list[Manifest], protocol: str) -> None:
    assert _place({"containers": [{"image": "a", "env": env}]}).protocol == protocol


def test_an_env_value_is_found_by_name() -> None:
    assert env_value({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": 2}]}, "B") == "2"
    assert env_value({}, "B") is None


def test_a_runtime_is_merged_with_the_users_wishes(runtime: Build) -> None:
    torch = runtime(
        "torch",
        [{"name": "pytorch"}],
        protocolVersions=["v2", "v1"],
        containers=[
            {"name": "side", "image": "side:1"},
            {"name": "kserve-container", "image": "repo:5000/torch:1", "args": ["--model_name={{.Name}}"]},
        ],
        volumes=[{"name": "shm", "emptyDir": {}}],
        labels={"from": "runtime"},
        annotations={"note": "runtime"},
    )
    model = {"modelFormat": {"name": "pytorch"}, "runtimeVersion": "2", "args": ["--x={{.Labels.team}}"]}
    other = {"name": "mine", "image": "mine:1"}
    placed = _place({"model": model, "containers": [other], "nodeSelector": {"gpu": "yes"}}, torch)
    assert placed.main == {
        "name": "kserve-container",
        "image": "repo:5000/torch:2",
        "args": ["--model_name=svc", "--x=a"],
    }
    assert placed.sidecars == ({"name": "side", "image": "side:1"}, other)
    assert placed.pod == {"volumes": [{"name": "shm", "emptyDir": {}}], "nodeSelector": {"gpu": "yes"}}
    assert (placed.protocol, placed.runtime) == ("v1", torch)
    assert (placed.labels, placed.annotations) == ({"from": "runtime"}, {"note": "runtime"})


@pytest.mark.parametrize(
    ("image", "tagged"),
    [
        ("torch", "torch:9"),
        ("torch:1", "torch:9"),
        ("h:5000/a/torch", "h:5000/a/torch:9"),
        ("torch@sha256:0", "torch@sha256:0"),
    ],
    ids=["no-tag", "tag", "port", "digest"],
)
def test_the_runtime_version_is_the_images_tag(runtime: Build, image: str, tagged: str) -> None:
    torch = runtime("torch", [{"name": "pytorch"}], containers=[{"name": "kserve-container", "image": image}])
    model = {"modelFormat": {"name": "pytorch"}, "runtimeVersion": "9"}
    assert _place({"model": model}, torch).main["image"] == tagged


def test_a_known_server_gets_its_defaults_below_the_users_words(runtime: Build) -> None:
    triton = runtime("kserve-tritonserver", [{"name": "onnx"}], protocolVersions=["v1", "v2"])
    ml = runtime("kserve-mlserver", [{"name": "sklearn"}])
    without = _place({"model": {"modelFormat": {"name": "onnx"}, "args": ["-v"]}}, triton, has_storage=False)
    assert without.main["args"] == ["-v", "--model-control-mode=explicit"]
    own = {"name": "MLSERVER_MODEL_NAME", "value": "mine"}
    placed = _place({"sklearn": {"env": [own]}}, ml)
    assert placed.main["env"] == [own, {"name": "MLSERVER_MODEL_URI", "value": "/mnt/models"}]
    assert placed.protocol == "v2"


def test_the_model_format_is_known_to_placeholders(runtime: Build) -> None:
    fmt = runtime(
        "r", [{"name": "vLLM"}], containers=[{"name": "kserve-container", "args": ["{{.Annotations.modelFormat}}"]}]
    )
    placed = _place({"model": {"modelFormat": {"name": "vLLM"}, "runtime": "r"}}, fmt)
    assert placed.main["args"] == ["vLLM"]
    assert placed.protocol == "v2"
    assert (
        _place({"model": {"modelFormat": {"name": "vLLM"}, "protocolVersion": "v1", "runtime": "r"}}, fmt).protocol
        == "v1"
    )


def test_a_runtime_that_lists_no_protocol_is_taken_for_v1(runtime: Build) -> None:
    assert _place({"pytorch": {}}, runtime("r", [{"name": "pytorch"}])).protocol == "v1"


@pytest.mark.parametrize(
    ("containers", "told"),
    [
        ([{"name": "other"}], "no container named kserve-container"),
        ([{"name": "kserve-container"}, {"image": "side"}], "has no name"),
        ([{"name": "kserve-container", "env": [{"value": "1"}]}], "env of container kserve-container of runtime r"),
    ],
    ids=["no-main", "unnamed", "malformed"],
)
def test_a_runtime_that_cannot_be_used_is_refused(runtime: Build, containers: list[Manifest], told: str) -> None:
    with pytest.raises(Refused, match=told):
        _place({"pytorch": {}}, runtime("r", [{"name": "pytorch"}], containers=containers))


def _adapted(runtime: Build, server_type: str = "mlserver", **container: object) -> Runtime:
    """A runtime as ModelMesh's documents write one."""
    adapter = {"serverType": server_type, "runtimeManagementPort": 8001}
    server = {"name": server_type, "image": "custom:1", **container}
    side = {"name": "side", "image": "side:1"}
    return runtime("adapted", [{"name": "mine"}], multiModel=True, builtInAdapter=adapter, containers=[side, server])


def test_modelmesh_s_mlserver_is_the_main_container_at_the_ports_that_it_is_told(runtime: Build) -> None:
    ports = [{"name": "MLSERVER_HTTP_PORT", "value": "8002"}, {"name": "MLSERVER_GRPC_PORT", "value": "8001"}]
    placed = _place({"model": {"modelFormat": {"name": "mine"}}}, _adapted(runtime, env=ports), has_storage=False)
    assert (placed.main["name"], placed.main["image"]) == ("kserve-container", "custom:1")
    assert (placed.port, placed.http_port, placed.protocol) == (8002, 8002, "v2")
    assert [container["name"] for container in placed.sidecars] == ["side"]


def test_modelmesh_s_mlserver_is_told_the_ports_that_nobody_wrote(runtime: Build) -> None:
    elsewhere = [{"name": "MLSERVER_HTTP_PORT", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    placed = _place({"model": {"modelFormat": {"name": "mine"}}}, _adapted(runtime, env=elsewhere), has_storage=False)
    told = (env_value(placed.main, "MLSERVER_HTTP_PORT"), env_value(placed.main, "MLSERVER_GRPC_PORT"))
    assert told == ("8080", "8081")
    assert [port["containerPort"] for port in placed.main["ports"]] == [8080, 8081]


def test_modelmesh_s_mlserver_keeps_its_own_ports_and_takes_the_service_s_word_for_the_rest(runtime: Build) -> None:
    own = {"name": "MLSERVER_HOST", "value": "::"}
    model = {"modelFormat": {"name": "mine"}, "runtime": "adapted", "env": [own]}
    placed = _place({"model": model}, _adapted(runtime, ports=[{"containerPort": 9000}]))
    assert env_value(placed.main, "MLSERVER_HOST") == "::"
    assert env_value(placed.main, "MLSERVER_MODEL_NAME") == "svc"
    assert (placed.main["ports"], env_value(placed.main, "MLSERVER_HTTP_PORT")) == ([{"containerPort": 9000}], None)


def test_other_servers_of_modelmesh_are_refused(runtime: Build) -> None:
    with pytest.raises(Refused, match="no container named kserve-container"):
        _place({"model": {"modelFormat": {"name": "mine"}, "runtime": "adapted"}}, _adapted(runtime, "ovms"))
