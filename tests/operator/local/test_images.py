"""Images as commands."""

import sys
from pathlib import Path
from typing import Any

import pytest

from mooring_operator.local.images import (
    Images,
    Launch,
    Place,
    UnknownImage,
    expand,
    grpc_port,
    http_port,
    wanted_ports,
)
from mooring_operator.local.volumes import Mount

PYTHON = (sys.executable, "-P", "-m")


def place(**changes: Any) -> Place:
    mounts = (Mount("/mnt/models", Path("/h/models")), Mount("/mnt/configs", Path("/h/configs")))
    ports = {8080: 20080, 8081: 20081, 9081: 29081}
    return Place(**{"ports": ports, "mounts": mounts, "scratch": Path("/h/s"), "claims_dir": Path("/pvc"), **changes})


def container(image: str, **fields: Any) -> dict[str, Any]:
    return {"name": "kserve-container", "image": image, **fields}


@pytest.mark.parametrize(
    "image", ["mooring/runtime:0.1.0", "mooring/runtime", "registry.local:5000/mooring/runtime@sha256:1"]
)
def test_our_runtime_listens_on_its_own_ports_and_finds_its_folder(image: str) -> None:
    launch = Images().launch(container(image, args=["--model_name=a"]), place(), {})
    assert launch.argv == (
        *(*PYTHON, "mooring_runtime", "--model_name=a", "--host", "127.0.0.1"),
        *("--http_port", "20080", "--grpc_port", "20081", "--model_dir", "/h/models"),
    )


def test_a_given_model_dir_is_translated_and_not_given_twice() -> None:
    launch = Images().launch(container("mooring/runtime", args=["--model_dir=/mnt/models/x"]), place(), {})
    assert [arg for arg in launch.argv if "model_dir" in arg] == ["--model_dir=/h/models/x"]


def test_our_agent_finds_server_folders_and_claims() -> None:
    agent = {"name": "agent", "image": "mooring/agent:1", "args": ["--enable-puller", "--config-dir", "/mnt/configs"]}
    assert Images().launch(agent, place(), {}).argv == (
        *(*PYTHON, "mooring_agent.main", "--enable-puller", "--config-dir", "/h/configs"),
        *("--host", "127.0.0.1", "--port", "29081", "--component-port", "20080"),
        *("--model-dir", "/h/models", "--pvc-dir", "/pvc"),
    )


def test_the_initializer_is_another_command_of_the_agents_image() -> None:
    initializer = {
        "name": "storage-initializer",
        "image": "mooring/agent:1",
        "command": ["mooring-storage-initializer"],
        "args": ["s3://b/mnt/models", "/mnt/models"],
    }
    launch = Images().launch(initializer, place(), {})
    assert launch.argv == (*PYTHON, "mooring_agent.initializer", "s3://b/mnt/models", "/h/models")


def test_a_mapped_image_gets_port_folder_and_arguments() -> None:
    images = Images({"my/server": "{python} -c 'x {y}' --port {port} --dir {model_dir} --grpc {grpc_port}"})
    launch = images.launch(container("my/server:v2", args=["--more"]), place(), {})
    assert launch == Launch(
        (sys.executable, "-c", "x {y}", *["--port", "20080", "--dir", "/h/models", "--grpc", "20081", "--more"]),
        {"PORT": "20080"},
    )


def test_a_mapped_image_may_be_one_of_ours() -> None:
    ours = Images().launch(container("mooring/runtime", args=["--model_name=a"]), place(), {})
    images = Images({"my/server:v1": "mooring-runtime"})
    assert images.launch(container("my/server:v1", args=["--model_name=a"]), place(), {}) == ours


def test_the_annotation_wins_over_the_image() -> None:
    assert Images().launch(container("mooring/runtime"), place(command="server"), {}).argv == ("server",)


@pytest.mark.parametrize("command", ["   ", "server 'unbalanced"])
def test_a_command_that_cannot_be_read_is_said(command: str) -> None:
    with pytest.raises(UnknownImage, match="command"):
        Images().launch(container("x"), place(command=command), {})


@pytest.mark.parametrize("image", ["nginx", "my/mooring/runtimes", "mooring/operator", ""])
def test_an_unknown_image_says_how_to_map_it(image: str) -> None:
    with pytest.raises(UnknownImage, match=f"--image '{image}=COMMAND'"):
        Images().launch(container(image), place(), {})


def test_ports_are_told_by_name() -> None:
    both = container("x", ports=[{"containerPort": 9000, "name": "h2c"}, {"containerPort": 9001}])
    assert (http_port(both), grpc_port(both)) == (9001, 9000)
    assert (http_port(container("x")), grpc_port(container("x"))) == (8080, 8081)
    assert wanted_ports({"name": "agent", "ports": [{"containerPort": 9081}]}) == (9081,)


@pytest.mark.parametrize(
    ("text", "expected"), [("$(A)/$(B)", "1/$(B)"), ("$$(A)", "$(A)"), ("$A ${A} $(", "$A ${A} $("), ("", "")]
)
def test_references_in_arguments_follow_kubernetes(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected
