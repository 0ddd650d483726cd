"""The charts and the operator's image: strict values, least privilege, copies that are true."""

import json
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mooring_api import names
from mooring_api.v1alpha1 import ServingRuntimeSpec
from mooring_operator.permissions import PERMISSIONS
from mooring_operator.resources import WATCHED
from mooring_operator.settings import Settings

ROOT = Path(__file__).parent.parent
CHART = ROOT / "charts" / "mooring"
CRD_CHART = ROOT / "charts" / "mooring-crds"
KUBE_VERSION = "1.34.0"

Manifest = dict[str, Any]
needs_helm = pytest.mark.skipif(
    shutil.which("helm") is None,
    reason="helm is not on PATH: the templates are not rendered (their YAML still is read)",
)


def helm(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["helm", *args], capture_output=True, text=True, check=False, timeout=60)


def render(chart: Path, *args: str) -> list[Manifest]:
    done = helm("template", "mooring", str(chart), "-n", "mooring-system", "--kube-version", KUBE_VERSION, *args)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def one(manifests: Iterable[Manifest], kind: str, name: str | None = None) -> Manifest:
    (found,) = [m for m in manifests if m["kind"] == kind and name in (None, m["metadata"]["name"])]
    return found


def values() -> Manifest:
    document: Manifest = yaml.safe_load((CHART / "values.yaml").read_text())
    return document


def schema() -> Manifest:
    document: Manifest = json.loads((CHART / "values.schema.json").read_text())
    return document


def granted(rules: Iterable[Manifest]) -> list[tuple[str, str, str]]:
    return sorted(
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


def used() -> list[tuple[str, str, str]]:
    return sorted((one.group, one.resource, verb) for one in PERMISSIONS for verb in one.verbs)


def role_rules() -> list[Manifest]:
    """The rules as the template has them: that part of the file is plain YAML."""
    text = (CHART / "templates" / "clusterrole.yaml").read_text()
    rules: list[Manifest] = yaml.safe_load(text[text.index("rules:") :])["rules"]
    return rules


def test_the_role_grants_exactly_what_the_operator_uses() -> None:
    assert granted(role_rules()) == used()


def test_no_wildcards_and_no_secret_lists() -> None:
    assert not [entry for entry in used() if "*" in entry]
    assert [verb for _, resource, verb in used() if resource == "secrets"] == ["get"]


def test_every_followed_resource_may_be_listed_and_watched() -> None:
    missing = [r.plural for r in WATCHED for verb in ("list", "watch") if (r.group, r.plural, verb) not in used()]
    assert missing == []


def test_every_permission_gives_its_reason_beside_its_rule() -> None:
    text = " ".join((CHART / "templates" / "clusterrole.yaml").read_text().replace("#", " ").split())
    assert [one.resource for one in PERMISSIONS if one.reason not in text] == []


def test_the_documented_configuration_is_the_built_in_one() -> None:
    assert Settings.parse(values()["config"]) == Settings()


def test_the_documented_values_satisfy_their_schema() -> None:
    jsonschema.Draft202012Validator(schema()).validate(values())


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"replica": 1}, "replica"),
        ({"config": {"ingres": {}}}, "ingres"),
        ({"config": {"workers": 0}}, "0 is less"),
        ({"config": {"ingress": {"urlScheme": "ftp"}}}, "ftp"),
        ({"config": {"agent": {"image": {"tag": "x"}}}}, "is not of type"),
        ({"config": {"s3": {"useHttps": True}}}, "is not of type"),
        ({"image": "a:b"}, "is not of type"),
        ({"resources": {"request": {}}}, "request"),
        ({"runtimes": {"enable": True}}, "enable"),
        ({"logLevel": "loud"}, "loud"),
    ],
)
def test_a_typo_in_the_values_is_refused(wrong: Manifest, where: str) -> None:
    faults = [error.message for error in jsonschema.Draft202012Validator(schema()).iter_errors(wrong)]
    assert any(where in fault for fault in faults)


def test_the_crd_chart_holds_the_generated_definitions() -> None:
    copies = {path.name: path.read_bytes() for path in (CRD_CHART / "files").iterdir()}
    assert copies == {path.name: path.read_bytes() for path in (ROOT / "crds").glob("*.yaml")}


def test_charts_and_package_have_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for chart in (CHART, CRD_CHART):
        meta = yaml.safe_load((chart / "Chart.yaml").read_text())
        assert (meta["version"], meta["appVersion"]) == (version, version)
    assert values()["config"]["agent"]["image"] == f"mooring/agent:{version}"
    assert values()["runtimes"]["image"] == f"mooring/runtime:{version}"


def test_the_operators_image_has_neither_torch_nor_storage_sdks() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert not [need for need in extras["operator"] if need.startswith(("torch", "boto3", "google-cloud", "fastapi"))]
    assert "'.[operator]'" in (ROOT / "Dockerfile.operator").read_text()


def test_the_build_context_holds_what_the_dockerfiles_copy() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        source
        for dockerfile in ROOT.glob("Dockerfile.*")
        for line in dockerfile.read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
        if not source.startswith("--")
    }
    assert {Path(source).parts[0] for source in copied} <= kept


@needs_helm
@pytest.mark.parametrize("chart", [CHART, CRD_CHART], ids=lambda chart: chart.name)
def test_lint_is_clean(chart: Path) -> None:
    done = helm("lint", "--strict", str(chart))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_helm
def test_the_crd_chart_renders_every_definition() -> None:
    rendered = {manifest["metadata"]["name"]: manifest for manifest in render(CRD_CHART)}
    paths = (ROOT / "crds").glob("*.yaml")
    assert rendered == {(crd := yaml.safe_load(path.read_text()))["metadata"]["name"]: crd for path in paths}


@needs_helm
def test_the_chart_needs_no_webhook_and_no_cert_manager() -> None:
    assert sorted(manifest["kind"] for manifest in render(CHART)) == [
        "ClusterKopfPeering",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterServingRuntime",
        "ClusterServingRuntime",
        "ConfigMap",
        "Deployment",
        "ServiceAccount",
    ]


@needs_helm
def test_the_rendered_configuration_is_the_operators() -> None:
    config = one(render(CHART, "--set", "config.ingress.domain=models.test"), "ConfigMap")["data"]["config.yaml"]
    settings = Settings.parse(yaml.safe_load(config))
    assert settings == Settings(ingress=Settings().ingress.model_copy(update={"domain": "models.test"}))


@needs_helm
def test_a_changed_configuration_starts_new_pods_and_an_equal_one_does_not() -> None:
    def template(*args: str) -> Manifest:
        pod: Manifest = one(render(CHART, *args), "Deployment")["spec"]["template"]
        return pod

    assert template() == template("--set", "config.workers=8")
    assert template() != template("--set", "config.workers=9")


@needs_helm
def test_the_operators_pods_are_locked_down() -> None:
    pod = one(render(CHART), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@needs_helm
def test_the_role_is_bound_to_the_operators_account() -> None:
    manifests = render(CHART)
    account = one(manifests, "ServiceAccount")["metadata"]["name"]
    binding = one(manifests, "ClusterRoleBinding")
    assert one(manifests, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == account
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "mooring-system"}]
    assert binding["roleRef"]["name"] == one(manifests, "ClusterRole")["metadata"]["name"]
    assert granted(one(manifests, "ClusterRole")["rules"]) == used()


@needs_helm
def test_the_bundled_runtimes_are_valid_and_keep_the_operators_placeholder() -> None:
    manifests = render(CHART)
    single = ServingRuntimeSpec.model_validate(one(manifests, "ClusterServingRuntime", "mooring-runtime")["spec"])
    many = ServingRuntimeSpec.model_validate(one(manifests, "ClusterServingRuntime", "mooring-runtime-mms")["spec"])
    assert single.containers[0]["args"] == [
        "--model_name={{.Name}}",
        "--model_dir=/mnt/models",
        "--http_port=8080",
    ]
    assert not single.multi_model
    assert many.multi_model
    assert many.containers[0]["args"] == ["--model_dir=/mnt/models", "--http_port=8080", "--multi_model=true"]
    for runtime in (single, many):
        assert runtime.containers[0]["name"] == names.CONTAINER_MAIN
        assert runtime.containers[0]["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"


@needs_helm
def test_runtimes_can_be_left_out() -> None:
    assert not [m for m in render(CHART, "--set", "runtimes.enabled=false") if m["kind"] == "ClusterServingRuntime"]


@needs_helm
def test_helm_itself_refuses_a_typo() -> None:
    done = helm("template", "x", str(CHART), "--kube-version", KUBE_VERSION, "--set", "config.ingres.domain=x")
    assert done.returncode != 0
    assert "ingres" in done.stderr
