from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from mooring_runtime.errors import InvalidInput
from mooring_runtime.rest_api.cloud_events import Attributes, Event, Mode, read_event, write_event

NOW = datetime(2026, 11, 25, 12, 0, 0, 7, tzinfo=UTC)
ASKED = {"specversion": "1.0", "id": "7", "source": "me", "type": "ask", "time": "then"}
HEADERS = {f"ce-{name}": value for name, value in ASKED.items()}
JSON = "application/json"
STRUCTURED = "application/cloudevents+json"


def test_a_structured_event_s_data_is_the_request() -> None:
    event = read_event(orjson.dumps({**ASKED, "data": {"instances": [1]}}), {"content-type": STRUCTURED})
    assert event == Event({"instances": [1]}, ASKED, Mode.STRUCTURED)


def test_a_structured_event_as_plain_json_is_answered_plainly() -> None:
    event = read_event(orjson.dumps({**ASKED, "data": {"instances": [1]}}), {"content-type": JSON})
    assert event == Event({"instances": [1]}, ASKED, Mode.NONE)


def test_json_that_is_no_event_is_no_event() -> None:
    body = {**ASKED, "instances": [1]}
    assert read_event(orjson.dumps(body), {"content-type": JSON}) == Event(body, {}, Mode.NONE)


def test_a_binary_event_s_headers_are_its_attributes() -> None:
    event = read_event(b'{"instances":[1]}', {"content-type": JSON, **HEADERS})
    assert event == Event({"instances": [1]}, ASKED, Mode.BINARY)


def test_a_binary_event_may_hold_what_is_not_json() -> None:
    assert read_event(b"\xff\xd8", {"content-type": "image/jpeg", **HEADERS}).data == b"\xff\xd8"
    with pytest.raises(InvalidInput, match="Failed to decode or parse binary json cloudevent"):
        read_event(b"{", {"content-type": "application/json; charset=utf-8", **HEADERS})


def test_headers_that_lack_an_attribute_make_no_event() -> None:
    lacking = {name: value for name, value in HEADERS.items() if name != "ce-type"}
    assert read_event(b"{}", {"content-type": JSON, **lacking}).mode is Mode.NONE


@pytest.mark.parametrize("merge", [False, True])
def test_a_structured_answer(merge: bool) -> None:
    event = Event({}, {**ASKED, "shop": "5"}, Mode.STRUCTURED)
    body, headers = write_event(event, {"predictions": [1]}, Attributes(merge=merge), "m", "new", NOW)
    assert headers == {"content-type": STRUCTURED}
    assert orjson.loads(body) == {
        **({"shop": "5"} if merge else {}),
        "specversion": "1.0",
        "id": "new",
        "source": "io.kserve.inference.m",
        "type": "io.kserve.inference.response",
        "time": "2026-11-25T12:00:00.000007+00:00",
        "data": {"predictions": [1]},
    }


def test_a_structured_answer_holds_bytes_as_base64() -> None:
    body, _ = write_event(Event({}, {}, Mode.STRUCTURED), b"\xff", Attributes(), "m", "new", NOW)
    assert orjson.loads(body)["data_base64"] == "/w=="


def test_a_binary_answer_with_attributes_of_one_s_own() -> None:
    attributes = Attributes.from_environ({"CE_MERGE": "True", "CE_TYPE": "t", "CE_SOURCE": "s"})
    event = Event({}, {**ASKED, "shop": "5", "datacontenttype": "x"}, Mode.BINARY)
    body, headers = write_event(event, {"predictions": [1]}, attributes, "m", "new", NOW)
    assert body == b'{"predictions":[1]}'
    assert headers == {
        "content-type": JSON,
        "ce-shop": "5",
        "ce-specversion": "1.0",
        "ce-id": "new",
        "ce-source": "s",
        "ce-type": "t",
        "ce-time": "2026-11-25T12:00:00.000007+00:00",
    }


@pytest.mark.parametrize("told", [{}, {"CE_MERGE": "false"}])
def test_attributes_are_kserve_s_unless_told(told: Any) -> None:
    assert Attributes.from_environ(told) == Attributes(False, "io.kserve.inference.response", None)
