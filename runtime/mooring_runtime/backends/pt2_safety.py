"""Refusing torch.export archives that would run code.

`torch.export.load` (2.13) can run what a file says in four ways: it falls back to `torch.load(weights_only=False)` for
sample inputs, pickled weights and constants; it resolves the functions of the graph by dotted names from the torch
module (`torch.os.system` is one); it parses symbolic sizes with sympy, which evaluates them; `module()` executes the
guards that the file spells out, which `torch_export` turns off. Ordinary archives need none of that: their pickles hold
tensors, their functions are operators, their sizes are arithmetic.
"""

import io
import json
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from mooring_runtime.errors import ModelLoadFailed

_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prim|prims|quantized|torchvision|higher_order)\.(?!__)\w+(\.(?!__)\w+)?"
    r"|torch\.ops\.aten\.__(and|or|xor|lshift|rshift|iand|ior|ixor)__(\.(?!__)\w+)?"
    r"|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_)"
    r"|math\.[a-z]+\d*|torch\.sym_\w+|torch\._sym_sqrt"
)
"""Functions that a graph may name. `_operator.call` or `attrgetter` would reach everything else."""

_SYMBOL = re.compile(r"'[a-z]+\d+'")
_SIZE = re.compile(r"[A-Za-z0-9_+\-*/%(), <>=&|~]*")
_SIZE_WORDS = frozenset(
    (
        *("Symbol", "positive", "integer", "nonnegative", "negative", "real", "finite", "precision"),
        *("Integer", "Rational", "Float", "Add", "Mul", "Pow", "Max", "Min", "Mod", "Abs", "Identity"),
        *("PythonMod", "FloorDiv", "CleanDiv", "CeilDiv", "IntTrueDiv", "FloatTrueDiv", "PowByNatural", "FloatPow"),
        *("ToFloat", "TruncToInt", "RoundToInt", "CeilToInt", "FloorToInt", "Piecewise", "ExprCondPair"),
        *("Eq", "Ne", "Le", "Lt", "Ge", "Gt", "Equality", "Unequality", "And", "Or", "Not"),
        *("LessThan", "StrictLessThan", "GreaterThan", "StrictGreaterThan"),
        *("true", "false", "True", "False", "oo", "int_oo", "IntInfinity", "Infinity"),
    )
)
"""Words of sympy's printed form of a size; anything else would be looked up, and perhaps called."""

_ADVICE = "Save the model again with torch.export.save from plain tensors and operators."


def check_archive(path: Path) -> None:
    """Look at every part of the archive that torch would evaluate.

    Raises:
        ModelLoadFailed: it is corrupt, or a part needs more than tensors, operators and arithmetic.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if member.endswith(".json"):
                    _check_document(path, member, json.loads(archive.read(member)))
                elif member.endswith(".pt"):
                    _check_pickle(path, member, archive.read(member))
    except (zipfile.BadZipFile, ValueError, OSError, KeyError) as exc:
        raise ModelLoadFailed(f"{path.name} is corrupt: {exc}.", "Upload it again, whole.") from exc


def _check_pickle(path: Path, member: str, content: bytes) -> None:
    if not content:
        return
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, AttributeError) as exc:
        raise ModelLoadFailed(f"{path.name}: {member} holds pickled objects other than tensors.", _ADVICE) from exc


def _check_document(path: Path, member: str, document: Any) -> None:
    for key, value in _fields(document):
        if key == "use_pickle" and value is True:
            raise ModelLoadFailed(f"{path.name}: {member} wants weights to be unpickled.", _ADVICE)
        if key == "target" and isinstance(value, str) and not _OPERATOR.fullmatch(value):
            raise ModelLoadFailed(f"{path.name}: {member} calls {value}, which is no operator.", _ADVICE)
        if key == "expr_str" and not _is_arithmetic(value):
            raise ModelLoadFailed(f"{path.name}: {member} has a size that is not arithmetic: {value!r}.", _ADVICE)


def _is_arithmetic(text: Any) -> bool:
    if not isinstance(text, str):
        return False
    text = _SYMBOL.sub("", text)
    return bool(_SIZE.fullmatch(text)) and all(
        word in _SIZE_WORDS or re.fullmatch(r"[a-z]+\d+", word) for word in re.findall(r"[A-Za-z_]\w*", text)
    )


def _fields(document: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth, without recursion: the file chose the depth."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value.items()
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
