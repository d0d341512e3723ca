from __future__ import annotations

import copy
import json
import math

import golden
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape_widgets.errors import ProtocolError
from landscape_widgets.protocol import limits
from landscape_widgets.protocol import messages as m
from landscape_widgets.protocol.codec import decode, decode_any, encode, pack, show, unpack

REQUEST = encode(m.PictureRequest("q1", golden.PICTURE))
PAGE = [encode(message) for message in (m.Hello("a"), m.Cancel("b"), m.Ack(1, 2))] + [
    REQUEST,
    encode(m.SettingsRequest("c", m.ViewSettings("contour", "linear"))),
]


def changed(path: str, value: object) -> dict:
    content = copy.deepcopy(REQUEST)
    *parents, last = path.split(".")
    owner = content
    for parent in parents:
        owner = owner[parent]
    owner[last] = value
    return content


@pytest.mark.parametrize("content", PAGE, ids=lambda content: content["kind"])
def test_round_trip_through_json(content):
    message = decode(json.loads(json.dumps(content)))
    assert encode(message) == content
    assert decode(encode(message)) == message


@pytest.mark.parametrize("content", [None, [], "hello", 3, {}, {"v": 1}, {"kind": "hello"}, {"v": 1, "kind": "hello"}])
def test_what_is_no_message_is_refused(content):
    with pytest.raises(ProtocolError) as caught:
        decode(content)
    assert caught.value.advice
    assert "got" in caught.value.message


@pytest.mark.parametrize("version", [0, 2, True, 1.0, "1", None, [1]])
def test_another_version_is_refused(version):
    with pytest.raises(ProtocolError, match="expected protocol version 1"):
        decode({"v": version, "kind": "hello", "id": "a"})


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("kind", "tile", "kind"),
        ("kind", ["request"], "kind"),
        ("purpose", "eigenpairs", "purpose"),
        ("purpose", None, "purpose"),
        ("id", "", "not empty"),
        ("id", 7, "a text"),
        ("id", "x" * 201, "at most 200"),
        ("id", "\ud800", "surrogate"),
        ("settings", None, "an object"),
        ("settings", [], "an object"),
        ("settings.resolution", True, "a whole number"),
        ("settings.resolution", 49.0, "a whole number"),
        ("settings.resolution", 2, "between 3 and 513"),
        ("settings.resolution", 514, "between 3 and 513"),
        ("settings.alpha_range.hi", True, "a number"),
        ("settings.alpha_range.hi", "1", "a number"),
        ("settings.alpha_range.hi", math.nan, "a finite number"),
        ("settings.alpha_range.hi", math.inf, "a finite number"),
        ("settings.alpha_range.hi", 10**400, "a finite number"),
        ("settings.alpha_range.hi", 1e7, "between -1000000 and 1000000"),
        ("settings.beta_range.lo", -1e300, "between"),
        ("settings.alpha.scale", "metres", "one of unit, filter, raw"),
        ("settings.alpha.scale", {}, "one of unit, filter, raw"),
        ("settings.alpha.source", "guess", "settings.alpha.source"),
        ("settings.alpha.seed", -1, "settings.alpha.seed"),
        ("settings.alpha.seed", 2**63, "settings.alpha.seed"),
        ("settings.alpha.seed", None, "settings.alpha.seed"),
        ("settings.alpha.index", 1001, "settings.alpha.index"),
        ("settings.alpha.index", -1001, "settings.alpha.index"),
        ("settings.alpha.sed", 3, "'sed'"),
        ("extra", 3, "'extra'"),
    ],
)
def test_a_wrong_field_is_named(path, value, words):
    with pytest.raises(ProtocolError) as caught:
        decode(changed(path, value))
    assert words in caught.value.message
    assert caught.value.advice
    assert len(str(caught.value)) < 600


def test_the_ends_of_the_bounds_are_allowed():
    for path, value in [
        ("settings.resolution", limits.MIN_RESOLUTION),
        ("settings.resolution", limits.MAX_RESOLUTION),
        ("settings.alpha_range.lo", -limits.MAX_EXTENT),
        ("settings.alpha_range.hi", limits.MAX_EXTENT),
        ("settings.alpha.seed", limits.MAX_SEED),
        ("settings.alpha.index", limits.MIN_INDEX),
    ]:
        decode(changed(path, value))


def test_an_int_is_taken_for_a_float():
    extent = decode(changed("settings.alpha_range.hi", 2)).settings.alpha_range.hi
    assert extent == 2.0
    assert type(extent) is float


@pytest.mark.parametrize("name", ["id", "v", "kind", "purpose", "settings"])
def test_a_missing_field_is_named(name):
    content = {key: value for key, value in REQUEST.items() if key != name}
    with pytest.raises(ProtocolError):
        decode(content)


def test_a_field_with_a_default_may_be_absent():
    content = copy.deepcopy(REQUEST)
    del content["settings"]["alpha"]["seed"]
    assert decode(content).settings.alpha.seed == 0


def test_a_long_value_is_never_repeated_whole():
    for value in ("x" * 10**6, [["y" * 10**5] * 10**3] * 10, {"z" * 10**5: 1}, 10**5000, b"w" * 10**6):
        with pytest.raises(ProtocolError) as caught:
            decode(changed("settings.alpha.scale", value))
        assert len(str(caught.value)) < 400
        assert len(show(value)) <= limits.MAX_SHOWN


def test_show_survives_a_repr_that_raises():
    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert "Bad" in show(Bad())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def paths(content: dict, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in content.items():
        found.append((*prefix, key))
        if isinstance(value, dict):
            found += paths(value, (*prefix, key))
    return found


def decodes_or_refuses(content: object) -> None:
    refusal = ""
    try:
        message = decode(content)
    except ProtocolError as error:
        refusal = str(error)
    else:
        assert decode(encode(message)) == message
    assert len(refusal) < 600


@given(JSON)
@settings(deadline=None)
def test_random_json_raises_nothing_else(content):
    decodes_or_refuses(content)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_a_message_with_a_random_field_raises_nothing_else(data):
    change_fields(data)


@pytest.mark.long
@given(st.data())
@settings(deadline=None, max_examples=1000)
def test_a_thousand_messages_with_a_random_field(data):
    change_fields(data)


def change_fields(data):
    content = copy.deepcopy(data.draw(st.sampled_from(PAGE)))
    for _ in range(data.draw(st.integers(1, 2))):
        *parents, last = data.draw(st.sampled_from(paths(content)))
        owner = content
        for parent in parents:
            owner = owner[parent]
        action = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "remove":
            del owner[last]
        else:
            owner[last if action == "replace" else data.draw(st.text(max_size=8))] = data.draw(JSON)
        if not content:
            break
    decodes_or_refuses(content)


# ---------------------------------------------------------------- encode


def test_encode_gives_plain_json_values():
    verdict = m.Verdict("t", "x", "flat")
    pair = m.Pair(np.int64(0), np.float32(0.5), np.float64(0.25), np.bool_(True))
    content = encode(m.Result("a", "picture", "converged", "", (pair,), np.int32(3), 4, 1, verdict))
    assert content["pairs"] == [{"index": 0, "value": 0.5, "residual": 0.25, "accepted": True}]
    assert {type(value) for value in content["pairs"][0].values()} == {int, float, bool}
    assert type(content["seconds"]) is float
    assert json.loads(json.dumps(content, allow_nan=False)) == content


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_a_float_that_is_not_finite_becomes_null_where_allowed(value):
    assert encode(m.Pair(0, value, value, False))["value"] is None
    with pytest.raises(ProtocolError, match=r"Result\.seconds"):
        encode(m.Result("a", "picture", "complete", "", seconds=value))


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (m.Ack(1.0, 2), r"Ack\.run"),
        (m.Ack(True, 2), r"Ack\.run"),
        (m.Hello(3), r"Hello\.id"),
        (m.Cancel("a", "hello"), r"Cancel\.purpose"),
        (m.Result("a", "picture", "complete", "", pairs=None), r"Result\.pairs"),
        (m.Result("a", "picture", "complete", "", pairs=({},)), r"Result\.pairs\[0\]"),
        (m.Pair(0, None, None, 1), r"Pair\.accepted"),
        ({"kind": "hello"}, "dict"),
    ],
)
def test_a_message_of_wrong_types_is_refused_with_its_field(message, field):
    with pytest.raises(ProtocolError, match=field):
        encode(message)


def test_text_that_no_comm_can_send_is_replaced():
    assert encode(m.Hello("a\udc80"))["id"] == "a?"


# ---------------------------------------------------------------- arrays


def test_pack_narrows_and_keeps_c_order():
    matrix = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    headers, buffers = pack({"loss": matrix, "index": np.array([1, -2]), "half": np.zeros(0, np.float16)})
    assert [(header.name, header.dtype, header.shape) for header in headers] == [
        ("loss", "float32", (2, 3)),
        ("index", "int32", (2,)),
        ("half", "float32", (0,)),
    ]
    assert bytes(buffers[0]) == np.arange(6, dtype="<f4").tobytes()
    assert bytes(buffers[1]) == np.array([1, -2], dtype="<i4").tobytes()
    assert [buffer.format for buffer in buffers] == ["B", "B", "B"]


def test_packed_buffers_do_not_alias_the_array():
    array = np.zeros(3, np.float32)
    _, buffers = pack({"loss": array})
    array[:] = 1
    assert bytes(buffers[0]) == bytes(12)


def test_pack_makes_a_huge_float_infinite_without_a_warning():
    headers, buffers = pack({"loss": np.array([1e300, -1e300, np.nan])})
    np.testing.assert_array_equal(unpack(headers, buffers)["loss"], [np.inf, -np.inf, np.nan])


@pytest.mark.parametrize(
    "array",
    [
        np.array([2**31]),
        np.array([-(2**31) - 1]),
        np.array([2**63], np.uint64),
        np.array([True]),
        np.array(["a"]),
        np.array([1j]),
    ],
)
def test_pack_refuses_what_does_not_fit(array):
    with pytest.raises(ProtocolError, match="expected index"):
        pack({"index": array})


def test_unpack_reads_a_buffer_at_any_offset_and_any_format():
    headers, buffers = pack({"loss": np.array([1.0, 2.0])})
    for offset in (0, 1, 3, 8):
        whole = memoryview(bytes(offset) + bytes(buffers[0]))
        np.testing.assert_array_equal(unpack(headers, [whole[offset:]])["loss"], [1.0, 2.0])
    typed = memoryview(np.array([1.0, 2.0], np.float32))
    np.testing.assert_array_equal(unpack(headers, [typed])["loss"], [1.0, 2.0])
    strided = memoryview(np.array([1.0, 9.0, 2.0, 9.0], np.float32))[::2]
    np.testing.assert_array_equal(unpack(headers, [strided])["loss"], [1.0, 2.0])


def test_unpack_gives_arrays_of_its_own():
    headers, buffers = pack({"loss": np.array([1.0, 2.0])})
    array = unpack(headers, buffers)["loss"]
    array[0] = 5.0
    assert unpack(headers, buffers)["loss"][0] == 1.0


def test_unpack_refuses_what_does_not_match():
    headers, buffers = pack({"loss": np.array([1.0, 2.0])})
    twice = (headers[0], headers[0])
    negative = (m.ArrayHeader("loss", "float32", (-1, -2)),)
    for heads, parts in [
        (headers, []),
        (headers, [buffers[0][:4]]),
        (headers, [bytes(9)]),
        (twice, [buffers[0], buffers[0]]),
        (negative, buffers),
    ]:
        with pytest.raises(ProtocolError):
            unpack(heads, parts)


SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@given(SHAPES, st.sampled_from(["float64", "float32", "int64", "int32", "uint8"]), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_any_array_comes_back(shape, dtype, seed):
    array = np.random.default_rng(seed).uniform(0, 200, shape).astype(dtype)
    headers, buffers = pack({"a": array})
    back = unpack([decode_header(header) for header in headers], [bytes(buffer) for buffer in buffers])["a"]
    assert back.shape == shape
    np.testing.assert_array_equal(back, array.astype(back.dtype))


def decode_header(header: m.ArrayHeader) -> m.ArrayHeader:
    """Through JSON, as part of a tile."""
    tile = m.Tile("a", 0, 0, 0, 0, 0, None, None, (header,))
    return decode_any(json.loads(json.dumps(encode(tile))), m.TO_PAGE).arrays[0]
