"""The request list, and what a server answers to it, as values that a file can hold.

requests.yaml --read_requests--> Request --ask--> Answer <--> tests/golden/contract/*.json
"""

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
MODELS = HERE / "kserve_model.py"
REQUESTS = HERE / "requests.yaml"
GOLDEN = HERE.parent / "golden" / "contract"

HEADER_LENGTH = "inference-header-content-length"
EVENT_HEADERS = ("ce-id", "ce-source", "ce-specversion", "ce-time", "ce-type")
HEADERS = (*EVENT_HEADERS, "allow", "content-type", HEADER_LENGTH, "location", "retry-after", "x-label", "x-seen")
"""Headers of an answer that clients act on; the others differ from day to day or from server to server."""

Answer = dict[str, Any]
"""Status, headers, body, and whether the connection still served after it."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Request:
    """One request, ready to send."""

    name: str
    path: str
    method: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    ignores_body: bool = False


def read_requests(path: Path = REQUESTS) -> list[Request]:
    """The list, in the order to send it in: the last ones unload models."""
    return [_request(entry) for entry in yaml.safe_load(path.read_text())]


def _request(entry: Mapping[str, Any]) -> Request:
    body, headers = _body(entry)
    wished = {name.lower(): value for name, value in entry.get("headers", {}).items()}
    merged = {name: str(value) for name, value in {**headers, **wished}.items() if value is not None}
    method = entry.get("method", "GET" if body is None else "POST")
    return Request(entry["name"], entry["path"], method, body, merged, entry.get("ignores_body", False))


def _body(entry: Mapping[str, Any]) -> tuple[bytes | None, dict[str, str]]:
    if "text" in entry:
        return entry["text"].encode(), {}
    if "json" not in entry:
        return None, {}
    head = json.dumps(entry["json"]).encode()
    if "hex" not in entry:
        return head, {"content-type": "application/json"}
    sizes = {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return head + bytes.fromhex(entry["hex"]), sizes


def ask(port: int, request: Request) -> Answer:
    """Send a request over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(request.method, request.path, request.body, request.headers)
        response = connection.getresponse()
        content = response.read()
        told = {name.lower(): value for name, value in response.getheaders()}
        answer = {
            "status": response.status,
            "headers": {name: _plain(name, told[name], port) for name in HEADERS if name in told},
            "body": "(not compared)" if request.ignores_body else read_body(content, told.get(HEADER_LENGTH)),
        }
        return {**answer, "keeps_connection": _serves(connection)}
    finally:
        connection.close()


def _serves(connection: http.client.HTTPConnection) -> bool:
    connection.auto_open = 0
    try:
        connection.request("GET", "/v2/health/live")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def _plain(name: str, text: str, port: int) -> str:
    if name in ("ce-id", "ce-time"):
        return "(generated)"
    return "(fits the body)" if name == HEADER_LENGTH else text.replace(f":{port}", ":PORT")


def read_body(content: bytes, header_length: str | None) -> Any:
    """A body as a document where it is one, with raw tensors as hexadecimal digits; what varies is blanked out."""
    if header_length is not None:
        length = int(header_length)
        return {"json": read_body(content[:length], None), "hex": content[length:].hex()}
    try:
        document = json.loads(content)
    except ValueError:
        return content.decode(errors="backslashreplace")
    if isinstance(document, dict):
        if UUID.fullmatch(str(document.get("id"))):
            document["id"] = "(generated)"
        if "specversion" in document:
            document["time"] = "(generated)"
        if "extensions" in document:
            document["version"] = "(of the server)"
    return document
