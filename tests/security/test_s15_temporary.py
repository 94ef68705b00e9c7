"""S15: what is written first has a name that nobody can guess, and is opened where nothing is yet."""

import json
import os

from aiida_dismai.engine import files
from aiida_dismai.engine.files import write_atomically, write_json


def test_s15_the_file_that_is_written_first_cannot_be_guessed(tmp_path):
    seen = []

    def write(handle):
        seen.extend(path.name for path in tmp_path.iterdir())
        handle.write(b"x")

    for _ in range(2):
        write_atomically(tmp_path / "a.npz", write)
    first, second = (name for name in seen if name.endswith(".tmp"))
    assert first != second
    assert str(os.getpid()) not in first.split(".")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_s15_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path, monkeypatch):
    names = iter(["guessed", "guessed", "other"])
    monkeypatch.setattr(files.secrets, "token_hex", lambda n: next(names))
    (tmp_path / "victim").write_text("precious")
    (tmp_path / ".a.json.guessed.tmp").symlink_to(tmp_path / "victim")
    write_json(tmp_path / "a.json", {"x": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1}
    assert (tmp_path / "victim").read_text() == "precious"
