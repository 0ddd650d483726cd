"""The programs of the user's own documents, as they stand there; `shared/` lies beside a checkout."""

import re
from pathlib import Path

import pytest

SEEDS = Path(__file__).resolve().parents[3] / "shared" / "seeds"


def document(number: str) -> str:
    """The text of the document with this number; skips the test where it is not there."""
    found = next(SEEDS.glob(f"{number}_*.txt"), None)
    if found is None:
        pytest.skip(f"document {number} is not in {SEEDS}")
    return found.read_text(errors="replace")


def blocks(number: str, language: str) -> list[str]:
    """The document's blocks in a language (`python`, `yaml`), in order."""
    return re.findall(rf"^```{language}\b[^\n]*\n(.*?)^```", document(number), re.DOTALL | re.MULTILINE)


def program(number: str, *words: str) -> str:
    """The first program that holds all of `words`."""
    return next(text for text in blocks(number, "python") if all(word in text for word in words))


def rest_program_003() -> str:
    """The document's REST program. Its constructor stands there twice, merged with wrong indentation: no Python would
    take it.
    """
    twice = re.compile(r"    def __init__\(self, name: str\):\n.*?        self\.load\(\)\n", re.DOTALL)
    once = "    def __init__(self, name: str):\n        super().__init__(name, return_response_headers=True)\n"
    return twice.sub(
        once + "        self.name = name\n        self.load()\n", program("003", "CORSMiddleware"), count=1
    )


def grpc_program_003() -> str:
    """The document's gRPC program, as it stands."""
    return program("003", "get_predict_response")


LOAD = """
        import json
        self._factor = json.load(open({uri}))["factor"]
"""
OUTPUTS = """
        outputs.append(
            types.ResponseOutput(
                name="y", shape=inputs[0].shape, datatype=inputs[0].datatype,
                data=[self._factor * x for x in inputs[0].data],
            )
        )
        return outputs
"""
CHECK = """
        if len(payload.inputs) != 1:
            raise ValueError("one input, please")
        return payload
"""


def template_001() -> str:
    """MLServer's template with its TODOs done: it multiplies its one input by the factor in `model.json`."""
    text = program("001", "WELLKNOWN_MODEL_FILENAMES")
    text = re.sub(r"\n +# TODO: load model from file.*\n +return\n", LOAD.format(uri="file_uri"), text)
    text = re.sub(r"\n +# TODO: validate request.*\n.*\n +return payload\n", CHECK.replace("Value", "Inference"), text)
    return re.sub(r"\n +# TODO: construct the outputs\n\n +return outputs\n", OUTPUTS, text)


def template_002() -> str:
    """The same of the other document, whose functions stand one step too deep, below tabs and spaces."""
    text = program("002", "CustomMLModel").expandtabs(4)
    head, tail = text.split("    def _load_model_from_file", 1)
    text = head + re.sub(r"^  ", "", "    def _load_model_from_file" + tail, flags=re.MULTILINE)
    load, outputs, check = (re.sub(r"^  ", "", part, flags=re.MULTILINE) for part in (LOAD, OUTPUTS, CHECK))
    text = re.sub(r"\n +# TODO: load model from file.*\n +return\n", load.format(uri='file_uri + "/model.json"'), text)
    text = re.sub(r"\n +# TODO: validate request.*\n +return payload\n", check, text)
    return re.sub(r"\n +return outputs\n", outputs, text)
