"""Three borders, one piece of code each: no module goes around them, and no pickle is loaded (S9, S15, S16)."""

import ast
import io
import pickle
from pathlib import Path

import numpy as np
import pytest

import aiida_dismai

PACKAGE = Path(aiida_dismai.__file__).parent
#: What reads without bounds, runs what it reads, or unpacks; by the last two names of a call.
READS = {
    "json.load", "json.loads", "yaml.load", "yaml.safe_load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all",
    "yaml.safe_load_all", "np.load", "np.fromfile", "np.memmap", "np.loadtxt", "np.genfromtxt", "numpy.load",
    "np.lib.format.read_array", "format.read_array", "torch.load", "zipfile.ZipFile", "tarfile.open", "pickle.load",
    "pickle.loads", "pickle.Unpickler", "marshal.loads", "shelve.open", "joblib.load", "pandas.read_csv",
    "pandas.read_pickle", "pandas.read_json", "eval", "exec", "compile", "ast.literal_eval", "ElementTree.parse",
    "etree.parse", "minidom.parse", "shutil.unpack_archive", "archive.extractall", "archive.extract", "os.system",
    "model_validate_json", "ExpansionFile.model_validate_json", "safe_open", "expat.ParserCreate", "gzip.open",
    "bz2.open", "lzma.open", "pd.read_csv", "broadcast_object_list", "fabric.broadcast", "yaml.Loader",
}  # fmt: skip
#: Where such a call may stand, and why.
ALLOWED = {
    ("engine/untrusted.py", "json.loads"): "the border",
    ("workchains/protocols/files.py", "_Loader"): "the border of YAML",
    ("engine/structures/npz.py", "zipfile.ZipFile"): "the border of arrays: sizes are compared before anything is read",
    ("engine/arrays.py", "zipfile.ZipFile"): "writes",
    ("engine/gathering/archive.py", "zipfile.ZipFile"): "names and sizes are compared, what is unpacked is counted",
    ("report/paper.py", "yaml.safe_load"): "a file of the package",
    ("engine/gathering/converter.py", "torch.load"): "a script that is printed, never imported; tensors only",
    ("engine/metrics/reference.py", "json.loads"): "what was dumped in the same line",
    ("engine/ownership.py", "json.loads"): "what was dumped in the same line",
    ("engine/steps.py", "json.loads"): "what was dumped in the same line",
    ("engine/structures/apart.py", "json.load"): "the order of the process that started this one",
    ("engine/kept.py", "pickle.load"): "compiled code of this user, in files that nobody else can have written",
    ("engine/workers.py", "pickle.loads"): "what was dumped in the same line",
    ("engine/families/published.py", "pandas.read_csv"): "numbers only, behind a look at every line",
    ("engine/alloys/parameters.py", "ExpansionFile.model_validate_json"): "what was dumped by the caller",
    ("engine/checkpoint.py", "safe_open"): "safetensors: a header with bounds, and no code",
    ("engine/potentials/gap.py", "expat.ParserCreate"): "no document type, bounded texts",
    ("dft/vasp/vasprun.py", "expat.ParserCreate"): "no document type, bounded texts, depth and rows",
    ("cli/archive/verify.py", "zipfile.ZipFile"): "sizes are compared, nothing is unpacked to disk",
    ("cli/bundle/unpack.py", "zipfile.ZipFile"): "names and sizes are compared before anything is unpacked",
    ("cli/archive/unpacking.py", "zipfile.ZipFile"): "looked through in pieces, nothing is unpacked to disk",
    ("cli/archive/unpacking.py", "tarfile.open"): "looked through in pieces, nothing is unpacked to disk",
}
#: What writes files in another way than ``engine/files.py``; names of methods count whatever they are called on.
WRITES = {"write_text", "write_bytes", "to_csv", "savefig", "savetxt", "np.save", "save_file", "torch.save"}
WRITING = {
    ("standin/potcars.py", "write_text"): "a family of stand-ins, into a folder that the caller has made",
    ("engine/gathering/table.py", "write_text"): "one row, into a temporary folder of its own",
    ("report/pictures.py", "savefig"): "into memory",
}


def calls(path):
    """Yield what a module calls, as it is written, without what is in front of the last two names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            words = []
            item = node.func
            while isinstance(item, ast.Attribute):
                words.insert(0, item.attr)
                item = item.value
            words.insert(0, item.id if isinstance(item, ast.Name) else "")
            yield ".".join(words), node


def found(names, last=False):
    seen = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for called, _ in calls(path):
            short = ".".join(called.split(".")[-2:])
            for name in {called, short, *([called.split(".")[-1]] if last else [])} & names:
                seen.add((path.relative_to(PACKAGE).as_posix(), name))
    return seen


def test_s9_nothing_is_read_around_the_border():
    there = found(READS | {"_Loader"})
    assert there - set(ALLOWED) == set()
    assert set(ALLOWED) - there == set(), "no longer there: take them off the list"


def test_s9_no_reader_of_arrays_allows_pickles():
    for path in PACKAGE.rglob("*.py"):
        for called, node in calls(path):
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle":
                    assert ast.literal_eval(keyword.value) is False, (path, called)
                assert keyword.arg != "shell", (path, called)


def test_s15_s16_nothing_is_written_around_the_border():
    # to_csv is the name of a function of ours, too, which returns a text
    there = {item for item in found(WRITES, last=True) if item != ("cli/report.py", "to_csv")}
    assert {item for item in there if item not in WRITING and not _writes_by_ours(item)} == set()
    opened = set()
    for path in PACKAGE.rglob("*.py"):
        for called, node in calls(path):
            if called.split(".")[-1] != "open":
                continue
            modes = [item.value for item in node.args if isinstance(item, ast.Constant)]
            modes += [item.value.value for item in node.keywords if isinstance(item.value, ast.Constant)]
            if any(isinstance(mode, str) and set(mode) <= set("rwxabt+") and set(mode) & set("wxa") for mode in modes):
                opened.add(path.relative_to(PACKAGE).as_posix())
    assert opened == {
        "calculations/base.py",  # into AiiDA's own sandbox
        "cli/bundle/unpack.py",  # a member of an archive
        "engine/arrays.py",  # a member of an archive
        "engine/files.py",  # the border
        "engine/gathering/archive.py",  # new files in a temporary folder
        "engine/gathering/converter.py",  # a script that is printed, never imported
        "engine/kept.py",  # a descriptor of mkstemp
    }


def _writes_by_ours(item):
    """Whether a module calls the function of that name of ``engine/files.py``, not a method of a path."""
    path, name = PACKAGE / item[0], item[1]
    return all(called == name for called, _ in calls(path) if called.split(".")[-1] == name)


class Evil:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def pickles(trap):
    """Return files that hold a pickle which writes to ``trap``, by the name under which a reader would meet them."""
    array = io.BytesIO()
    np.save(array, np.array([Evil(trap)], dtype=object), allow_pickle=True)
    archive = io.BytesIO()
    np.savez(archive, numbers=np.array([Evil(trap)], dtype=object), meta=np.array("{}"), allow_pickle=True)
    bare = {f"bare {i}": pickle.dumps(Evil(trap), i) for i in range(pickle.HIGHEST_PROTOCOL + 1)}
    return bare | {"array": array.getvalue(), "archive": archive.getvalue()}


@pytest.mark.engine
def test_s9_pickles_are_loaded_by_no_reader(tmp_path):
    import torch

    from aiida_dismai.engine.alloys.expansion import read_file
    from aiida_dismai.engine.checkpoint import load_checkpoint, load_weights
    from aiida_dismai.engine.errors import DismaiError
    from aiida_dismai.engine.generators.weights import load_generator
    from aiida_dismai.engine.ownership import Owner
    from aiida_dismai.engine.potentials.folder import load_potential
    from aiida_dismai.engine.store import Store
    from aiida_dismai.engine.structures import StructureStream, load_structures, read_npz
    from aiida_dismai.engine.untrusted import read_json

    trap = tmp_path / "executed"
    content = pickles(trap)
    buffer = io.BytesIO()
    torch.save({"weight": Evil(trap)}, buffer)
    content["torch"] = buffer.getvalue()
    folder = tmp_path / "folder"
    folder.mkdir()
    readers = {
        "x.npz": (read_npz, load_structures, lambda path: list(StructureStream(path).blocks())),
        "x.extxyz": (load_structures,),
        "x.traj": (load_structures,),
        "x.json": (load_structures, read_json, read_file),
        "x.pkl": (load_structures,),
        "x.safetensors": (load_weights, load_checkpoint),
        "pieces.bin": (lambda path: Store(path, Owner({"a": 1})),),
        "config.json": (lambda path: load_potential(path.parent), lambda path: load_generator(path.parent)),
    }
    for name, each in readers.items():
        for kind, written in content.items():
            path = folder / name
            path.write_bytes(written)
            for read in each:
                with pytest.raises(DismaiError):
                    read(path)
                assert not trap.exists(), (name, kind)
            path.unlink()
