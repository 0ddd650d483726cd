from mooring_operator.core.observed import Manifest
from mooring_operator.core.strategic_merge import deep_merge, merge_by, merge_container, merge_pod


def test_entries_are_merged_by_key_and_keep_the_order_of_the_first_list() -> None:
    base: list[Manifest] = [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
    overlay: list[Manifest] = [{"name": "c", "value": "3"}, {"name": "a", "valueFrom": {}}]
    assert merge_by("name", base, overlay) == [
        {"name": "a", "valueFrom": {}},
        {"name": "b", "value": "2"},
        {"name": "c", "value": "3"},
    ]


def test_objects_are_merged_deeply_and_the_rest_is_replaced() -> None:
    base = {"limits": {"cpu": "1", "memory": "1Gi"}, "list": [1], "text": "a"}
    overlay = {"limits": {"memory": "2Gi"}, "list": [2], "text": {"now": "an object"}}
    assert deep_merge(base, overlay) == {
        "limits": {"cpu": "1", "memory": "2Gi"},
        "list": [2],
        "text": {"now": "an object"},
    }


def test_a_container_takes_each_field_by_its_own_rule_and_keeps_the_runtimes_name() -> None:
    base: Manifest = {
        "name": "kserve-container",
        "image": "a:1",
        "command": ["a"],
        "args": ["--model_dir=/mnt/models"],
        "env": [{"name": "A", "value": "1"}],
        "ports": [{"containerPort": 8080}],
        "volumeMounts": [{"mountPath": "/x", "name": "x"}],
        "resources": {"limits": {"cpu": "1"}},
    }
    overlay: Manifest = {
        "name": "other",
        "command": ["b"],
        "args": ["--workers=2"],
        "env": [{"name": "B", "value": "2"}],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "volumeMounts": [{"mountPath": "/y", "name": "y"}],
        "resources": {"limits": {"memory": "1Gi"}},
        "workingDir": "/w",
    }
    assert merge_container(base, overlay) == {
        "name": "kserve-container",
        "image": "a:1",
        "command": ["b"],
        "args": ["--model_dir=/mnt/models", "--workers=2"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "volumeMounts": [{"mountPath": "/x", "name": "x"}, {"mountPath": "/y", "name": "y"}],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "workingDir": "/w",
    }


def test_a_probe_with_a_handler_replaces_and_one_without_adjusts() -> None:
    base: Manifest = {"name": "k", "readinessProbe": {"httpGet": {"path": "/"}, "periodSeconds": 5}}
    timing = merge_container(base, {"readinessProbe": {"periodSeconds": 1}})
    handler = merge_container(base, {"readinessProbe": {"tcpSocket": {"port": 1}}})
    assert timing["readinessProbe"] == {"httpGet": {"path": "/"}, "periodSeconds": 1}
    assert handler["readinessProbe"] == {"tcpSocket": {"port": 1}}


def test_pod_fields_are_merged_by_kind() -> None:
    base: Manifest = {"nodeSelector": {"a": "1"}, "tolerations": [{"key": "x"}], "volumes": [{"name": "v"}]}
    overlay: Manifest = {"nodeSelector": {"b": "2"}, "tolerations": [{"key": "y"}], "volumes": [{"name": "w"}]}
    assert merge_pod(base, overlay) == {
        "nodeSelector": {"a": "1", "b": "2"},
        "tolerations": [{"key": "y"}],
        "volumes": [{"name": "v"}, {"name": "w"}],
    }
