"""The operator's command line: a wrong start says why, where `kubectl describe pod` shows it."""

from pathlib import Path

import pytest

from mooring_operator.main import load_settings, main
from mooring_operator.settings import InvalidSettings


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("ingress: {domain: ''}", "ingress.domain", id="empty value"),
        pytest.param("ingress: {domian: x}", "ingress.domian", id="unknown key"),
        pytest.param("workers: many", "workers", id="wrong type"),
        pytest.param("a: [", "config.yaml", id="no YAML"),
        pytest.param("- x", "the document", id="no mapping"),
    ],
)
def test_a_wrong_configuration_names_the_key(
    tmp_path: Path, text: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert main(["--config", str(path)], {}) == 2
    assert named in capsys.readouterr().err.splitlines()[-1]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"nowhere\.yaml"):
        load_settings(tmp_path / "nowhere.yaml")


def test_no_file_and_an_empty_file_mean_the_defaults(tmp_path: Path) -> None:
    empty = tmp_path / "config.yaml"
    empty.write_text("")
    assert load_settings(None) == load_settings(empty)


def test_without_a_cluster_the_operator_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    assert main([], {}) == 1
    assert "no Kubernetes cluster" in capsys.readouterr().err
