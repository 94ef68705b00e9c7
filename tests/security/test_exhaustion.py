"""Small files that say they are large: each ends in less than ten seconds and a gigabyte, with a reason.

Each is read in a process of its own, which says itself what it took: time on the processor (its children included, so
that other work on the machine does not count) and the most memory that it or a child had. The processes are forks of
one that has imported the readers.
"""

import functools
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from aiida_dismai.engine.errors import BadInput

#: Seconds on the processor, and MB.
SECONDS, MEGABYTES = 10, 1000
READER = """
import os, resource, signal, sys
import ase.io
from pathlib import Path
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import StructureStream, load_structures
resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30,) * 2)

def read(path, how):
    signal.alarm(300)
    try:
        if how == "whole":
            load_structures(Path(path))
        else:
            for block in StructureStream(path).blocks():
                pass
        print("read")
    except BadInput as error:
        print("refused", str(error).replace(chr(10), " "))
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, max(peak, children.ru_maxrss) / 1024)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        read(*line.rstrip().split(chr(9)))
        sys.stdout.flush()
        os._exit(0)
    print("ended", os.waitpid(child, 0)[1], flush=True)
"""
LATTICE = 'Lattice="5 0 0 0 5 0 0 0 5"'
HEAD = "x\n1\n9 0 0\n0 9 0\n0 0 9\nSi\n"
CELL = "data_x\n" + "".join(f"_cell_length_{x} 90\n" for x in "abc")
CELL += "".join(f"_cell_angle_{x} 90\n" for x in ("alpha", "beta", "gamma"))
SITES = "loop_\n_atom_site_label\n_atom_site_type_symbol\n" + "".join(f"_atom_site_fract_{x}\n" for x in "xyz")


def cif(number, sites):
    random = np.random.default_rng(3)
    rows = "".join(f"Si{i} Si {x:.6f} {y:.6f} {z:.6f}\n" for i, (x, y, z) in enumerate(random.random((sites, 3))))
    return f"{CELL}_space_group_IT_number {number}\n{SITES}{rows}"


def npz(**arrays):
    """Return an npz file whose arrays are zeros of a type and shape, deflated."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (dtype, shape) in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as handle:
                np.lib.format.write_array_header_1_0(handle, {"descr": dtype, "fortran_order": False, "shape": shape})
                left = int(np.prod(shape)) * np.dtype(dtype).itemsize
                while left > 0:
                    handle.write(bytes(min(left, 2**20)))
                    left -= 2**20
    return buffer.getvalue()


def shouting(n):
    """Return extxyz in which one text is far longer than the others."""
    return f"1\n{LATTICE} name={'a' * 3_000_000}\nSi 0 0 0\n" + f"1\n{LATTICE} name=b\nSi 0 0 0\n" * n


#: Name and content of each file, or what makes the content where that takes long.
FILES = {
    "extxyz of 10^18 atoms": ("a.extxyz", f"1{'0' * 18}\n{LATTICE}\nSi 0 0 0\n"),
    "extxyz of 10^7 atoms": ("b.extxyz", f"9999999\n{LATTICE}\nSi 0 0 0\n"),
    "extxyz of 10^8 columns": ("c.extxyz", f"1\n{LATTICE} Properties=species:S:1:pos:R:3:x:R:100000000\nSi 0 0 0\n"),
    "extxyz with one long text": ("d.extxyz", lambda: shouting(3000)),
    "extxyz nested": ("e.extxyz", f'1\n{LATTICE} x="_JSON {"[" * 100_000}"\nSi 0 0 0\n'),
    "extxyz of 300,000 keys": (
        "g.extxyz",
        f"1\n{LATTICE} {' '.join(f'k{i}=' + '1' for i in range(300_000))}\nSi 0 0 0\n",
    ),
    "POSCAR of 10^9 atoms": ("POSCAR", f"{HEAD}999999999\nDirect\n0 0 0\n"),
    "XDATCAR of 10^9 atoms": ("XDATCAR", f"{HEAD}1000000000\nDirect configuration=     1\n0 0 0\n"),
    "dump of 10^7 atoms": (
        "a.dump",
        "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n9999999\nITEM: BOX BOUNDS pp pp pp\n0 1\n0 1\n0 1\n"
        "ITEM: ATOMS id type element x y z\n1 1 Si 0 0 0\n",
    ),
    "data with labels": (
        "a.data",
        "t\n\n1000000000000 atoms\n1 atom types\n0 1 xlo xhi\n0 1 ylo yhi\n0 1 zlo zhi\n\nAtom Type Labels\n\n"
        + "".join(f"{i} L{i}\n" for i in range(1, 20_000))
        + "\nAtoms # atomic\n\n"
        + "".join(f"{i} L{i} 0 0 0\n" for i in range(1, 20_000)),
    ),
    "one line in gz": ("a.extxyz.gz", lambda: gzip.compress(b"1" + b" " * 500_000_000, 1)),
    "one line in xz": ("a.extxyz.xz", lambda: lzma.compress(b"1\n" + bytes(200_000_000), preset=0)),
    "gz without end": ("f.extxyz.gz", lambda: gzip.compress(b"\n" * 400_000_000, 1)),
    "npz of zeros": ("a.npz", lambda: npz(meta=("<U60000000", ()), numbers=("<i8", (20_000_000,)))),
    "cube of 10^15 points": ("a.cube", "c\nc\n1 0 0 0\n" + "100000 1 0 0\n" * 3 + "14 0 0 0 0\n1.0\n"),
    "cfg of 10^9 atoms": ("a.cfg", "Number of particles = 1000000000\nA = 1.0 Angstrom\nH0(1,1) = 1 A\n"),
    "json of ASE": (
        "a.json",
        json.dumps({"1": {"numbers": {"__ndarray__": [[10**10], "int64", [1]]}, "positions": []}, "ids": [1]}),
    ),
    "json nested": ("b.json", '{"a":' * 50_000),
    "CIF of 20,000 sites": ("a.cif", lambda: cif(1, 20_000)),
    "CIF of 1,300 sites in a large group": ("b.cif", lambda: cif(225, 1300)),
    "CIF of 200 sites in a large group": ("c.cif", lambda: cif(225, 200)),
}


@functools.cache
def content(name):
    found = FILES[name][1]
    found = found() if callable(found) else found
    return found if isinstance(found, bytes) else found.encode()


@pytest.fixture(scope="module")
def reader():
    """Ask a process that has imported the readers to read a file in a fork of its own; return what that has printed."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", READER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )

    def ask(path, how):
        process.stdin.write(f"{path}\t{how}\n")
        process.stdin.flush()
        lines = []
        for line in process.stdout:
            if line.startswith("ended "):
                assert line == "ended 0\n", "".join(lines)[-2000:]
                return lines
            lines.append(line)
        raise AssertionError("".join(lines)[-2000:])

    with process:
        yield ask
        process.stdin.close()


@pytest.mark.parametrize("how", ["whole", "stream"])
@pytest.mark.parametrize("name", FILES)
def test_exhaustion_of_readers(name, how, reader, tmp_path):
    file = FILES[name][0]
    path = tmp_path / file
    path.write_bytes(content(name))
    answer, taken = reader(path, how)[-2:]
    seconds, megabytes = map(float, taken.split())
    assert answer.startswith("refused"), answer
    assert file in answer
    assert seconds < SECONDS
    assert megabytes < MEGABYTES


def test_exhaustion_what_is_honest_is_read_in_the_same_bounds(tmp_path):
    """Formats that are read in another process give what they hold."""
    from ase.build import bulk
    from ase.io import write

    from aiida_dismai.engine.structures import load_structures

    crystal = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    frames = [crystal * (2, 2, 2)] * 20
    for name, form, written in (
        ("XDATCAR", "vasp-xdatcar", frames),
        ("x.xsf", "xsf", frames[:1]),
        ("x.traj", "traj", frames),
        ("x.cif", "cif", [crystal * (6, 6, 6)]),
    ):
        write(tmp_path / name, written, format=form)
        found = load_structures(tmp_path / name)
        assert len(found) == len(written)
        atoms = found.numbers[found.atoms_of(0)]
        assert sorted(atoms.tolist()) == sorted(written[0].numbers.tolist())
        assert np.allclose(found.cells[0], written[0].cell.array, atol=1e-4)


def test_exhaustion_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path, monkeypatch):
    from aiida_dismai.cli.archive import verify

    with zipfile.ZipFile(tmp_path / "bomb.aiida", "w", zipfile.ZIP_DEFLATED) as handle:
        handle.writestr("metadata.json", "{}")
        handle.writestr("repo/bomb", bytes(20_000_000))
    monkeypatch.setattr(verify, "MAX_UNPACKED", 10_000_000)
    with pytest.raises(BadInput, match=r"unpacks to 0.0 GB, more than 50 times its size"):
        verify.open_archive(tmp_path / "bomb.aiida")
    with zipfile.ZipFile(tmp_path / "words.aiida", "w", zipfile.ZIP_DEFLATED) as handle:
        handle.writestr("metadata.json", "{" + " " * 2**21 + "}")
    with pytest.raises(BadInput, match=r"its metadata.json is larger"):
        verify.open_archive(tmp_path / "words.aiida")


LETTERS = "A" * 239
HOSTILE_TEXTS = {
    "letters of base64, nearly": f"{LETTERS}-" * 4000,
    "letters of base64 in lines": f"{LETTERS[:59]}\\n" * 20_000,
    "one long word": "a" * 400_000,
    "one long name": "a.b-" * 100_000,
    "names without a value": "API_KEY " * 50_000,
    "a name and spaces": "API_KEY" + " " * 400_000,
    "beginnings of tokens": "-eyJ" * 100_000,
    "beginnings of keys": "-----BEGIN " * 40_000,
    "beginnings of addresses": "://" * 130_000,
    "an address of letters": "a" * 400_000 + "://",
    "folders": "/home" * 80_000,
    "dots and ats": "a@a." * 100_000,
    "a header and spaces": "END of PSCTR" + " " * 400_000,
    "tables of numbers": "local part 1 1 1 1 " * 20_000,
    "signs": "local part " + "-+" * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_exhaustion_patterns_take_time_in_proportion_to_a_text(name, monkeypatch):
    """Texts of an archive of others; some patterns that look harmless take hours for what each of these holds."""
    from readers.guards import bounded

    from aiida_dismai.cli.archive import private, unpacking
    from aiida_dismai.dft.vasp.potcars import LICENSED

    text = HOSTILE_TEXTS[name]
    with bounded(seconds=SECONDS, megabytes=MEGABYTES):
        for pattern in (*private.SECRETS, private.EMAIL, private.HOME):
            list(pattern.finditer(text))
        for piece in unpacking.pieces("x", io.BytesIO(text.encode())):
            LICENSED.content.search(piece.content)


def test_licensed_texts_in_base64_are_still_found():
    import base64

    from aiida_dismai.cli.archive.unpacking import pieces

    wanted = b"END of PSCTR-controll parameters " * 12
    encoded = base64.b64encode(wanted).decode()
    folded = [encoded[i : i + 76] for i in range(0, len(encoded), 76)]
    for text in (encoded, "\n".join(folded), "\r\n".join(folded), "\\n".join(folded), f"x: {encoded}.", f'"{encoded}"'):
        assert any(wanted[:200] in piece.content for piece in pieces("x", io.BytesIO(text.encode()))), text[:90]
