"""Which Service and which pods a request is for."""

from typing import Any

import pytest

from mooring_operator.local.pod_ports import with_actual_ports
from mooring_operator.local.routes import Route, endpoints, find_route


def service(name: str, *ports: dict[str, Any]) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": list(ports) or [{"port": 80, "targetPort": 8080}]}
    return {"kind": "Service", "metadata": {"name": name, "namespace": "ns"}, "spec": spec}


def ingress(host: str, *paths: tuple[str, str]) -> dict[str, Any]:
    entries = [{"path": path, "backend": {"service": {"name": name}}} for path, name in paths]
    rules = [{"host": host, "http": {"paths": entries}}]
    return {"metadata": {"name": "i", "namespace": "ns"}, "spec": {"rules": rules}}


INGRESSES = [ingress("a.ns.example.com", ("/", "a-predictor"), ("/other", "b"))]
SERVICES = [service("a"), service("a-predictor"), service("b")]


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("a.ns.example.com", "/v2/x?q=1", Route("ns", "a-predictor", "/v2/x?q=1")),
        ("a.ns.example.com:8080", "/", Route("ns", "a-predictor", "/")),
        ("a.ns.example.com", "/other/x", Route("ns", "b", "/other/x")),
        ("a.ns.example.com", "/others", Route("ns", "a-predictor", "/others")),
        ("a.ns", "/v2", Route("ns", "a", "/v2")),
        ("a.ns.svc.cluster.local:80", "/v2", Route("ns", "a", "/v2")),
        ("a-predictor.ns.svc", "/v2", Route("ns", "a-predictor", "/v2")),
        ("localhost:8080", "/ns/a/v2/x%20y?q", Route("ns", "a", "/v2/x%20y?q")),
        ("localhost", "/ns/a", Route("ns", "a", "/")),
        ("localhost", "/ns/a?q=1", Route("ns", "a", "/?q=1")),
        ("localhost", "/ns/none/v2", None),
        ("none.ns", "/v2", None),
        ("localhost", "/", None),
    ],
)
def test_routing(host: str, path: str, expected: Route | None) -> None:
    assert find_route(host, path, INGRESSES, SERVICES) == expected


def pod(app: str, actual: dict[int, int], **container: Any) -> dict[str, Any]:
    body = {
        "kind": "Pod",
        "metadata": {"name": app, "namespace": "ns", "labels": {"app": app}},
        "spec": {"containers": [{"name": "c", **container}]},
    }
    return with_actual_ports(body, actual)


def test_endpoints_are_the_real_ports_of_matching_pods() -> None:
    pods = [pod("a", {8080: 20001}), pod("a", {8080: 20002}), pod("b", {8080: 20003})]
    assert endpoints(service("a"), pods) == [20001, 20002]


def test_a_target_port_may_be_a_name() -> None:
    named = pod("a", {9000: 20001}, ports=[{"name": "http1", "containerPort": 9000}])
    assert endpoints(service("a", {"port": 80, "targetPort": "http1"}), [named]) == [20001]


def test_grpc_ports_are_apart_from_http_ports() -> None:
    both = service(
        "a",
        {"name": "h2c", "port": 9000, "targetPort": 8081, "appProtocol": "kubernetes.io/h2c"},
        {"name": "http", "port": 80, "targetPort": 8080},
    )
    pods = [pod("a", {8080: 20001, 8081: 20002})]
    assert (endpoints(both, pods), endpoints(both, pods, grpc=True)) == ([20001], [20002])
    assert endpoints(service("a"), pods, grpc=True) == []
