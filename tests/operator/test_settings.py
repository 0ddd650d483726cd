import pytest

from mooring_operator.settings import InvalidSettings, Settings


@pytest.mark.parametrize("document", [None, {}], ids=["none", "empty"])
def test_an_empty_document_means_the_defaults(document: object) -> None:
    settings = Settings.parse(document)
    assert settings.ingress.domain_template == "{name}.{namespace}.{domain}"
    assert settings == Settings()


def test_keys_are_written_as_in_the_chart() -> None:
    settings = Settings.parse(
        {
            "ingress": {"className": "nginx", "domain": "models.test", "urlScheme": "https"},
            "agent": {"image": "registry/agent:2", "resources": {"limits": {"memory": "2Gi"}}},
            "storageInitializer": {"imagePullPolicy": "Always"},
            "resyncS": 60,
        }
    )
    assert (settings.ingress.class_name, settings.ingress.url_scheme) == ("nginx", "https")
    assert settings.agent.resources.limits == {"memory": "2Gi"}
    assert settings.storage_initializer.image_pull_policy == "Always"
    assert settings.resync_s == 60.0


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"ingress": {"clasName": "x"}}, "ingress.clasName (unknown key)"),
        ({"workers": 0}, "workers: Input should be greater than or equal to 1, not 0"),
        ({"ingress": {"urlScheme": "ftp"}}, "ingress.urlScheme: Input should be 'http' or 'https', not 'ftp'"),
        (["a", "list"], "the document: "),
        (
            {"ingress": {"domainTemplate": "{{ .Name }}.{domain}"}},
            "ingress.domainTemplate: Value error, must hold {name}",
        ),
        ({"ingress": {"domainTemplate": "models.{domain}"}}, "ingress.domainTemplate: "),
    ],
    ids=["unknown", "range", "choice", "not-an-object", "template", "nameless"],
)
def test_an_error_names_the_key_and_its_fault(document: object, told: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        Settings.parse(document)
    assert str(caught.value).startswith("operator configuration: ")
    assert told in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidSettings, match=r"workers.*; resyncS"):
        Settings.parse({"workers": "many", "resyncS": -1})
