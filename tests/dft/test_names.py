"""No code's name is known outside its engine."""

import re
from pathlib import Path

import aiida_dismai

PACKAGE = Path(aiida_dismai.__file__).parent
#: A DFT code and its files by name; vasppy is a library that a number is compared with.
NAMED = re.compile(r"vasp(?!py)|potcar|incar\b|espresso|\bpw\.x", re.IGNORECASE)
#: The engine, its stand-in and the demo that runs this; readers of files.
ALLOWED = (
    "dft/vasp/",
    "dft/quantumespresso/",
    "cli/pseudos.py",
    "standin/",
    "demo/",
    "engine/structures/files.py",
    "engine/structures/foreign.py",
    "engine/structures/poscar.py",
    "engine/structures/write_single.py",
    "engine/gathering/gather.py",
)


def test_only_its_engine_its_stand_in_and_readers_name_a_dft_code():
    found = []
    for path in sorted(PACKAGE.rglob("*")):
        name = path.relative_to(PACKAGE).as_posix()
        if path.suffix not in (".py", ".yaml", ".md", ".html", ".css") or name.startswith(ALLOWED):
            continue
        lines = enumerate(path.read_text().splitlines(), 1)
        found += [f"{name}:{number}: {line.strip()}" for number, line in lines if NAMED.search(line)]
    assert not found, "\n".join(found)


def test_the_names_are_where_they_are_allowed():
    """The pattern finds what it looks for."""
    for name in ("dft/vasp/engine.py", "dft/vasp/potcars.py", "dft/quantumespresso/stdout.py", "standin/outputs.py"):
        assert NAMED.search((PACKAGE / name).read_text()), name
