"""JSON of others: bounded before it is built, one error."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from readers.guards import bounded

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.untrusted import LINE, Limits, read_json, read_object
from aiida_dismai.workchains.protocols.files import parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), inner),
    max_leaves=20,
)  # fmt: skip


@given(VALUES)
def test_what_json_says_within_the_limits_is_read_as_it_is(value):
    assert read_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_s9_any_bytes_are_read_or_refused(content):
    try:
        value, refusal = read_json(content, "x.json"), None
    except BadInput as error:
        refusal = str(error)
    if refusal is None:
        assert value == json.loads(content)
    else:
        assert refusal.startswith("x.json: ")
        assert refusal.isprintable()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"NaN", "NaN"),
        (b"-Infinity", "-Infinity"),
        (b"1e400", "too large"),
        (b"9" * 5000, "too large"),
        (b"18446744073709551616", "too large"),
        (b"[" * 100_000, "levels deep"),
        (b"[" * 33 + b"]" * 33, "levels deep"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "levels deep"),
        (b'{"a": 1, "a": 2}', "'a' appears twice"),
        (b'{"": 1}', "without a name"),
        (b'"\\ud800"', "characters that are none"),
        (b'{"\\u0000": 1}', "characters that are none"),
        (b'"\xe9"', "not UTF-8, at byte 1"),
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b'{"' + b"k" * 300 + b'": 1}', "a text of 300 characters"),
        (b"\xef\xbb\xbf{}", "not JSON"),
    ],
)
def test_s9_refusals_say_why(content, reason):
    with pytest.raises(BadInput, match=reason):
        read_json(content, "x.json")


def test_the_depth_that_is_allowed_is_read():
    assert read_json(b"[" * 32 + b"1" + b"]" * 32) != []


def test_exhaustion_is_refused_at_once(tmp_path):
    wide = b"[" + b"{}," * 4_000_000 + b"{}]"
    started = time.process_time()
    with pytest.raises(BadInput, match="more than 1000000 values"):
        read_json(wide)
    names = b"{" + b",".join(b'"%d":0' % index for index in range(400_000)) + b"}"
    assert len(read_json(names)) == 400_000
    assert time.process_time() - started < 5
    (tmp_path / "large.json").write_bytes(b" " * 2000)
    with pytest.raises(BadInput, match=r"large.json: larger than 1000 bytes"):
        read_json(tmp_path / "large.json", limits=Limits(size=1000))
    with pytest.raises(BadInput, match="larger than"):
        read_json(b'"' + b"a" * 70_000 + b'"', "line", LINE)


def test_an_object_is_asked_for(tmp_path):
    with pytest.raises(BadInput, match=r'x: must be an object such as {"name": value}, not a list'):
        read_object(b"[1]", "x")
    with pytest.raises(BadInput, match=r"nothing.json: no such file"):
        read_object(tmp_path / "nothing.json")
    with pytest.raises(BadInput, match="Is a directory"):
        read_object(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + ":".join(["59"] * 100_000),
        "a: " + "9" * 5000,
        "a: 0x" + "f" * 900_000,
        "a: 1e" + "9" * 500,
        "!!python/object/apply:os.system ['true']",
        "a: !!python/name:os.system",
        "a: !!python/tuple [1]",
        "a: 2001-99-99",
        "a: !!binary x",
        "a: !!set {? x}",
        "a0: &a0 {x: 1}\n" + "".join(f"a{i + 1}: &a{i + 1} {{<<: [*a{i}, *a{i}, *a{i}]}}\n" for i in range(30)),
        "? [1]\n: 2",
        "a: &a [*a]",
        "--- 1\n--- 2",
        "\u0085a: [1",
        "%YAML 9.9\n---\n1",
        "a: '\x1b[2J",
    ],
)
def test_s9_yaml_of_anything_is_read_or_refused_in_one_line(text):
    with bounded(seconds=20, megabytes=512):
        try:
            found, refusal = parse(text, "x.yaml"), "x.yaml"
        except BadInput as error:
            found, refusal = None, str(error)
    assert refusal.startswith("x.yaml")
    assert refusal.isprintable()
    assert found is None or len(repr(found)) < 1000
