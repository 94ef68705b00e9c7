"""The folder of compiled kernels: where it is, and whose files are read."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from aiida_dismai.engine import kept


class Places:
    """Where kernels may be kept, in a temporary folder instead of the real ones."""

    def __init__(self, root: Path) -> None:
        self.package, self.home, self.temporary = root / "package", root / "home", root / "tmp"
        for folder in (self.package, self.home, self.temporary):
            folder.mkdir()
        (self.package / "kept.py").touch()


@pytest.fixture
def places(tmp_path, monkeypatch):
    found = Places(tmp_path)
    monkeypatch.setattr(kept, "__file__", str(found.package / "kept.py"))
    monkeypatch.setenv("HOME", str(found.home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(kept.tempfile, "gettempdir", lambda: str(found.temporary))
    kept.folders.cache_clear()
    yield found
    kept.folders.cache_clear()


@pytest.fixture
def read_only(monkeypatch):
    """Folders that cannot be written to, which for root none is."""
    closed: list[Path] = []
    access, make = os.access, Path.mkdir

    def inside(path: object) -> bool:
        return any(Path(str(path)).is_relative_to(folder) for folder in closed)

    def mkdir(path, *given, **named):
        if inside(path) and not path.exists():
            raise PermissionError(13, "Permission denied", str(path))
        return make(path, *given, **named)

    monkeypatch.setattr(os, "access", lambda path, mode: not inside(path) and access(path, mode))
    monkeypatch.setattr(Path, "mkdir", mkdir)
    return closed


def test_beside_the_package_where_that_can_be_written(places):
    folder = places.package / "__pycache__" / kept.NAME
    assert kept.folders() == (folder,)
    kept.write("one", pickle.dumps(1))
    assert kept.read("one") == 1
    assert (folder / "one.nbc").exists()
    assert [path.name for path in folder.iterdir()] == ["one.nbc"]


def test_the_folder_that_the_user_names_comes_first(places, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "named"))
    assert kept.folders() == (tmp_path / "named" / kept.NAME,)


def test_of_a_read_only_installation_it_is_in_the_users_cache(places, read_only):
    read_only.append(places.package)
    folder = places.home / ".cache" / kept.NAME
    assert kept.folders() == (folder,)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_came_with_a_read_only_installation_is_read(places, read_only):
    kept.write("old", pickle.dumps("with the package"))
    read_only.append(places.package)
    kept.folders.cache_clear()
    kept.write("new", pickle.dumps("of the user"))
    assert kept.read("old") == "with the package"
    assert kept.read("new") == "of the user"
    assert not (places.package / "__pycache__" / kept.NAME / "new.nbc").exists()


def test_without_a_home_it_is_a_folder_of_ones_own_among_the_temporary_ones(places, read_only):
    read_only += [places.package, places.home]
    folder = places.temporary / f"{kept.NAME}-{os.geteuid()}"
    assert kept.folders() == (folder,)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_where_nothing_can_be_written_nothing_is_kept(places, read_only):
    read_only += [places.package, places.home, places.temporary]
    assert kept.folders() == ()
    kept.write("one", pickle.dumps(1))
    assert kept.read("one") is None


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777, 0o770])
def test_a_folder_that_others_may_write_to_is_not_used(places, read_only, mode):
    read_only += [places.package, places.home]
    folder = places.temporary / f"{kept.NAME}-{os.geteuid()}"
    folder.mkdir()
    folder.chmod(mode)
    assert kept.folders() == ()


def test_a_link_in_place_of_the_folder_is_not_followed(places, read_only, tmp_path):
    read_only += [places.package, places.home]
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (places.temporary / f"{kept.NAME}-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    assert kept.folders() == ()


def test_a_file_that_others_may_write_to_is_not_read(places):
    kept.write("one", pickle.dumps(1))
    (kept.folders()[0] / "one.nbc").chmod(0o666)
    assert kept.read("one") is None


def test_what_belongs_to_another_user_is_not_read(places, monkeypatch):
    kept.write("one", pickle.dumps(1))
    (folder,) = kept.folders()
    mine = (folder / "one.nbc").stat()
    of_another = os.stat_result([*mine[:4], os.geteuid() + 1, *mine[5:10]])
    assert kept._trusted(mine)
    assert not kept._trusted(of_another)
    # what belongs to the owner of the package, whose code runs anyway, is read by everybody
    monkeypatch.setattr(kept.os, "geteuid", lambda: mine.st_uid + 1)
    assert kept._trusted(mine)
    assert kept.read("one") == 1


def test_a_full_disk_is_no_error(places, monkeypatch):
    def full(*_args, **_named):
        raise OSError(28, "No space left on device")

    (folder,) = kept.folders()
    monkeypatch.setattr(kept.os, "replace", full)
    kept.write("one", pickle.dumps(1))
    assert list(folder.iterdir()) == []
    monkeypatch.setattr(kept.tempfile, "mkstemp", full)
    kept.write("one", pickle.dumps(1))
    assert kept.read("one") is None
