"""The container of saved models: the safetensors format to the last byte, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from automem_agents.errors import ModelError
from automem_agents.values import BayesianLogistic, Calibration, ConstantValue, load_model
from automem_agents.values.container import pack, unpack
from automem_agents.values.saved import Saved

pytestmark = pytest.mark.any_index

ARRAYS = {
    "b": np.arange(6.0).reshape(2, 3),
    "a": np.array([0.1, -np.pi]),
    "scalar": np.array(2.5),
    "none": np.zeros((0, 4)),
}


def test_the_safetensors_package_reads_what_is_written(tmp_path: Path) -> None:
    data = pack(ARRAYS, {"kind": "any", "größe": 'a "b" \n'})
    read = safetensors.numpy.load(data)
    assert {name: array.tolist() for name, array in read.items()} == {n: a.tolist() for n, a in ARRAYS.items()}
    (tmp_path / "model.safetensors").write_bytes(data)
    with safe_open(tmp_path / "model.safetensors", "numpy") as opened:
        assert json.loads(opened.metadata()["automem_agents"])["größe"] == 'a "b" \n'


@pytest.mark.parametrize("text", ["plain", 'quotes " and \\ and \n', "größe, 猫, \x7f, \x01"])
def test_it_is_what_the_safetensors_package_writes_byte_for_byte(text: str) -> None:
    data = pack(ARRAYS, {"text": text})
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert safetensors.numpy.save(ARRAYS, metadata=header["__metadata__"]) == data


def test_what_is_unpacked_is_what_was_packed() -> None:
    arrays, schema = unpack(pack(ARRAYS, {"kind": "any"}))
    assert schema == {"kind": "any"}
    assert {name: (array.shape, array.tolist()) for name, array in arrays.items()} == {
        name: (array.shape, array.tolist()) for name, array in ARRAYS.items()
    }
    arrays["a"][:] = 0  # a copy


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_our_error(data: bytes) -> None:
    with pytest.raises(ModelError):
        unpack(data)


def signed(header: object, content: bytes = b"") -> bytes:
    """Return a file whose checksum is right, whatever its header says."""
    text = json.dumps(header).encode()
    unsigned = len(text).to_bytes(8, "little") + text + content
    return unsigned.replace(b"0" * 64, sha256(unsigned).hexdigest().encode(), 1)


METADATA = {"__metadata__": {"automem_agents": json.dumps({"sha256": "0" * 64, "format": 1})}}


@pytest.mark.parametrize(
    "header",
    [
        [],
        {},
        {"__metadata__": {}},
        {"__metadata__": {"automem_agents": "[]"}},
        {"__metadata__": {"automem_agents": "{"}},
        {"__metadata__": {"automem_agents": '{"sha256": 5}'}},
        {"__metadata__": {"automem_agents": '{"sha256": ""}'}},
        {**METADATA, "a": []},
        {**METADATA, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}},
        {**METADATA, "a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 8]}},
        {**METADATA, "a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 800]}},
        {**METADATA, "a": {"dtype": "F64", "shape": ["x"], "data_offsets": [0, 8]}},
        {**METADATA, "a": {"dtype": "F64", "shape": [1], "data_offsets": ["0", "8"]}},
        {**METADATA, "a": {"dtype": "F64", "shape": [1], "data_offsets": 8}},
    ],
)
def test_a_header_that_says_nonsense_is_refused(header: object) -> None:
    with pytest.raises(ModelError):
        unpack(signed(header, bytes(8)))


def test_the_file_of_another_program_is_refused() -> None:
    with pytest.raises(ModelError, match="no header of ours"):
        unpack(safetensors.numpy.save({"a": np.zeros(3)}))


def test_a_file_of_a_newer_format_is_refused() -> None:
    with pytest.raises(ModelError, match="format 2"):
        ConstantValue.load(pack({}, {"format": 2}))


@pytest.mark.parametrize("missing", ["kind", "version", "features", "hyperparameters"])
def test_a_file_that_does_not_say_what_it_is_is_refused(missing: str) -> None:
    schema = {"format": 1, "kind": "constant", "version": 1, "features": ["a"], "hyperparameters": {"value": 1.0}}
    assert ConstantValue.load(pack({}, schema)).value == 1
    with pytest.raises(ModelError):
        ConstantValue.load(pack({}, {key: value for key, value in schema.items() if key != missing}))


def test_any_family_is_loaded_by_its_name() -> None:
    for model in (ConstantValue(("a",), 2.0), BayesianLogistic(("a",), 0.5, 1.0)):
        assert type(load_model(model.save())) is type(model)
        assert load_model(model.save()).save() == model.save()
    with pytest.raises(ModelError, match="a 'calibration'"):
        load_model(Calibration(np.array([0.0, 1.0]), np.array([0.0, 1.0])).save())
    with pytest.raises(ModelError, match="not a 'constant'"):
        ConstantValue.load(BayesianLogistic(("a",), 0.5, 1.0).save())
    with pytest.raises(ModelError):
        load_model(Saved(["constant"], 1, ("a",), {}, {}).to_bytes())  # type: ignore[arg-type]


def test_a_model_is_saved_and_loaded_without_any_extra() -> None:
    """Where torch, scikit-learn and safetensors can't be imported."""
    code = """
import sys
for name in ("torch", "sklearn", "safetensors", "scipy"):
    sys.modules[name] = None
import numpy as np
from automem_agents.values import BayesianLogistic, TorchRanker, load_model, RankingExample
model = BayesianLogistic(("a", "b"), 0.0, 1.0)
model.update(np.eye(2), np.array([1, 0]), np.ones(2))
assert load_model(model.save()).predict(np.eye(2)).tolist() == model.predict(np.eye(2)).tolist()
from automem_agents.errors import MissingExtra
try:
    TorchRanker.fit([RankingExample(np.eye(2), np.array([1, 0]), group=g) for g in "ab"], ("a", "b"))
except MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'automem-agents[learn]'" in done.stdout
