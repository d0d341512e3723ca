from __future__ import annotations

import base64
import json

import golden
import numpy as np
import pytest

from landscape_widgets.protocol import messages as m
from landscape_widgets.protocol.codec import decode, decode_any, encode, unpack

CASES = {case["name"]: case for case in golden.cases()}
WRITE = "run python tests/protocol/golden.py --write"


def test_the_folder_holds_these_cases_and_no_others():
    assert {path.stem for path in golden.FOLDER.glob("*.json")} == set(CASES), WRITE


def test_every_message_class_has_an_example():
    assert {case["expect"]["type"] for case in CASES.values()} == {cls.__name__ for cls in m.FROM_PAGE + m.TO_PAGE}


@pytest.mark.parametrize("name", CASES)
def test_the_code_writes_the_same_message_today(name):
    assert (golden.FOLDER / f"{name}.json").read_text(encoding="utf-8") == golden.text(CASES[name]), WRITE


@pytest.mark.parametrize("name", CASES)
def test_the_file_is_read_back_whole(name):
    case = json.loads((golden.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    from_page = case["expect"]["direction"] == "from page"
    message = decode(case["message"]) if from_page else decode_any(case["message"], m.TO_PAGE)
    assert type(message).__name__ == case["expect"]["type"]
    assert encode(message) == case["message"]
    if isinstance(message, m.Tile):
        arrays = unpack(message.arrays, [base64.b64decode(text) for text in case["buffers"]])
        assert arrays["index"].dtype == np.int32
        assert arrays["index"].tolist() == case["expect"]["index"]
        expected = [float(value) for value in case["expect"]["loss"]]
        np.testing.assert_array_equal(arrays["loss"], np.array(expected, dtype=np.float32))
        assert (message.frame is not None) == case["expect"]["frame"]
