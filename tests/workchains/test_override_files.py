"""YAML that people write: bounded, each name once, and numbers that are numbers."""

import pytest

from aiida_dismai.engine.errors import BadInput
from aiida_dismai.workchains.protocols.files import parse, read_mapping

BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "\n".join(
    f"b{i}: &b{i} [{','.join(['*' + ('a' if i == 0 else f'b{i - 1}')] * 10)}]" for i in range(8)
)


def test_aliases_merge_keys_and_exponents():
    text = "a: &x {q: 1}\nb: *x\nc: {<<: *x, r: 2}\nd: 1e-3\ne: -1e5\nf: 1e3x"
    assert parse(text, "here") == {
        "a": {"q": 1},
        "b": {"q": 1},
        "c": {"q": 1, "r": 2},
        "d": 0.001,
        "e": -1e5,
        "f": "1e3x",
    }
    assert parse("", "here") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 1,\n c: 2}\n", "here: 'c' appears twice, in the lines 2 and 3"),
        ("[1, 2", "here: not readable as YAML"),
        ("&a [*a]", "here: line 1 refers to itself"),
        ("[" * 3000 + "]" * 3000, "nested more than 40 levels"),
        (BOMB, "more than 100000 values once its aliases are written out"),
        ("a: " + "9" * 5000, "here: line 1: a number of 5000 characters"),
        ("a: 2001-02-31", "a value that cannot be read"),
        ("!!python/object/apply:os.system ['true']", "not readable as YAML"),
        ("? [1]\n: 2", "line 1: a name must be a word, not a list"),
        ("a: 1\n---\nb: 2", "not readable as YAML"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(BadInput) as refused:
        parse(text, "here")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_files_that_are_none(tmp_path):
    (tmp_path / "large.yaml").write_text("a: 1 #" + "x" * 1_000_000)
    with pytest.raises(BadInput, match="larger than 1 MB"):
        read_mapping(tmp_path / "large.yaml", "overrides")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(BadInput, match="cannot be read as text"):
        read_mapping(tmp_path / "bytes.yaml", "overrides")
    (tmp_path / "word.yaml").write_text("hello")
    with pytest.raises(BadInput, match="overrides must be a mapping of names to values, not 'hello'"):
        read_mapping(tmp_path / "word.yaml", "overrides")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_mapping(tmp_path / "empty.yaml", "overrides") == {}
