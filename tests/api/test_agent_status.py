"""The agent's document survives the wire, and a newer agent does not confuse an older operator."""

from hypothesis import given
from hypothesis import strategies as st

from mooring_api.agent_status import AgentModel, AgentStatus, ModelError, ModelState

TEXT = st.text(max_size=20)
ERRORS = st.fixed_dictionaries({"reason": TEXT, "message": TEXT, "time": TEXT}).map(lambda f: ModelError(**f))
MODELS = st.fixed_dictionaries(
    {
        "name": TEXT,
        "state": st.sampled_from(ModelState),
        "storage_uri": TEXT,
        "wanted_id": st.none() | TEXT,
        "bytes_done": st.integers(0, 2**53),
        "bytes_total": st.none() | st.integers(0, 2**53),
        "attempts": st.integers(0, 1000),
        "last_error": st.none() | ERRORS,
        "next_retry": st.none() | TEXT,
    }
).map(lambda fields: AgentModel(**fields))
STATUSES = st.fixed_dictionaries(
    {
        "revision": st.integers(0, 2**53),
        "instance": TEXT,
        "config_digest": st.none() | TEXT,
        "config_error": st.none() | TEXT,
        "runtime_ready": st.booleans(),
        "models": st.lists(MODELS, max_size=3).map(tuple),
    }
).map(lambda fields: AgentStatus(**fields))


@given(STATUSES)
def test_the_document_survives_the_wire(status: AgentStatus) -> None:
    assert AgentStatus.model_validate(status.to_wire()) == status
    assert AgentStatus.model_validate_json(status.model_dump_json(by_alias=True)) == status


@given(STATUSES)
def test_fields_of_a_newer_agent_are_ignored(status: AgentStatus) -> None:
    assert AgentStatus.model_validate(status.to_wire() | {"fieldOfTheFuture": {"a": 1}}) == status


def test_the_wire_form_has_camel_case_names_and_no_nulls() -> None:
    model = AgentModel(name="m", state=ModelState.LOADED, storage_uri="s3://b/m", loaded_id="x")
    wire = AgentStatus(revision=7, instance="i", runtime_ready=True, models=(model,)).to_wire()
    assert wire == {
        "revision": 7,
        "instance": "i",
        "runtimeReady": True,
        "models": [
            {"name": "m", "state": "Loaded", "storageUri": "s3://b/m", "loadedId": "x", "bytesDone": 0, "attempts": 0}
        ],
    }
