"""What lies where in the published record (DOI 10.5281/zenodo.12710372), as far as that is known.

Known, from the public README and the READMEs and scripts of the benchmark: the four folders of :data:`FOLDERS` and what
they hold; the names of the data sets; the names of the csv files of the reference, with their folders; the folders of
the models' own formats in ``train_val_data``; and the names that the authors' scripts give to generated structures
(``gen``, ``gen_clean``, ``gen_relaxed``).

Guessed: how ``generated_data`` and the extended XYZ files in ``train_val_data`` are divided into folders. Files are
therefore found by the words in their paths, in whatever order and depth; what was taken for what is printed, and so is
what was not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...engine.errors import BadInput
from ...engine.text import visible

DOI = "10.5281/zenodo.12710372"
PAPER = "10.1039/d4dd00100a"
#: The folders, and what they hold in the authors' words.
FOLDERS = {
    "train_val_data": "training and validation sets",
    "dismai_bench_train_ref_data": "reference data of the training sets for the metrics",
    "generated_data": "generated structures, post-processed and relaxed",
    "potentials": "M3GNet and SOAP-GAP potentials",
}
#: Endings of files with structures that are read.
STRUCTURES = re.compile(r"\.(ext)?xyz(\.(gz|xz|bz2))?$|\.npz$", re.IGNORECASE)
#: Endings of files that are a potential, or describe one.
POTENTIALS = (".xml", ".json", ".pt")
#: What the models have their training data in, beside extended XYZ.
FORMATS = ("cdvae", "diffcsp", "crystens", "unimat", "cryingan")
#: Model in the paper's spelling, by the words for it.
MODELS = {
    "cdvae": "CDVAE",
    "diffcsp": "DiffCSP",
    "crystens": "CrysTens",
    "crys tens": "CrysTens",
    "unimat": "UniMat",
    "uni mat": "UniMat",
    "cryingan": "CryinGAN",
    "cryin gan": "CryinGAN",
}
#: How far structures are on their way, by the words in a name: of several files of one folder, the last is taken.
STAGES = {"gen": 0, "generated": 0, "clean": 1, "cleaned": 1, "postprocessed": 1, "relaxed": 2}
#: Words that say nothing.
NOISE = {
    "data",
    "dismai",
    "bench",
    "structures",
    "strucs",
    "struc",
    "set",
    "dataset",
    "results",
    "final",
    "all",
    "eval",
}
REPLICATE = re.compile(r"(?:(?:model|run|rep|replicate|seed|no) )?(\d{1,3})")
#: Files of a folder at most.
MOST_FILES = 100_000


@dataclass(frozen=True)
class DataSet:
    """One of the benchmark's data sets.

    Attributes:
        name: as the authors' folders are called.
        kind: family of structures.
        words: patterns of words, of which all have to be in a path.
        published: what the data set is called in the paper's tables.
        table: number of the table.
    """

    name: str
    kind: str
    words: tuple[str, ...]
    published: str
    table: int


DATASETS = (
    DataSet("int", "interface", (r"\b(int|interfaces?|lsc|lco)\b",), "Li3ScCl6(100) | LiCoO2(110)", 1),
    DataSet("a_Si", "amorphous", (r"\b(a si|asi|amorphous|silicon|si)\b",), "amorphous Si", 2),
    *(
        DataSet(
            f"alloy_{kelvin}K_{width}",
            "alloy",
            (rf"\b{kelvin} ?k\b", rf"\b{width}\b"),
            f"Fe60Ni20Cr20, {kelvin} K, {width} SRO",
            3,
        )
        for kelvin in (300, 1500)
        for width in ("narrow", "wide")
    ),
)


@dataclass(frozen=True)
class Generated:
    """A file of generated structures.

    Attributes:
        path: of the file.
        dataset: what the model was trained on.
        model: in the paper's spelling.
        variant: what else its path says (``max``, ``lattice denoising``); empty for the model of the tables.
        replicate: number of the trained model, from 1.
    """

    path: Path
    dataset: DataSet
    model: str
    variant: str
    replicate: int

    @property
    def title(self) -> str:
        """Model, and its variant."""
        return f"{self.model} ({self.variant})" if self.variant else self.model


@dataclass
class Record:
    """What was found.

    Attributes:
        folder: of the record.
        sets: training and validation files by data set: ``train``, ``validation``.
        references: folder of the csv files by data set.
        generated: files of generated structures.
        potentials: files of potentials.
        not_understood: files with structures whose path does not say what they are.
        missing: of :data:`FOLDERS`, those that are not there.
    """

    folder: Path
    sets: dict[str, dict[str, Path]] = field(default_factory=dict)
    references: dict[str, Path] = field(default_factory=dict)
    generated: list[Generated] = field(default_factory=list)
    potentials: list[Path] = field(default_factory=list)
    not_understood: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def require(self, *folders: str) -> None:
        """Refuse a record without some of its folders.

        Raises:
            BadInput: says which are missing, and whether they are there as zip files.
        """
        for name in folders:
            if name not in self.missing:
                continue
            packed = [path.name for path in sorted(self.folder.glob(f"{name}*.zip"))]
            packed += [path.name for path in sorted(self.folder.glob(f"{name}*.tar*"))]
            todo = f"unpack {packed[0]} there" if packed else f"download it from https://doi.org/{DOI}"
            raise BadInput(f"{visible(self.folder)}: no folder {name} ({FOLDERS[name]}) in it; {todo}")


def words_of(path: Path | str) -> str:
    """Return the words of a path in lower case, separated by spaces, without the endings of the file.

    Example:
        >>> words_of("int/CDVAE_model_1/gen_relaxed.extxyz.gz")
        'int cdvae model 1 gen relaxed'
    """
    text = STRUCTURES.sub("", str(path))
    return " ".join(re.findall(r"[A-Za-z]+|\d+", re.sub(r"([a-z])([A-Z][a-z])", r"\1 \2", text))).lower()


def find_dataset(words: str) -> DataSet | None:
    """Return the data set that some words name; None for none, or for several."""
    found = [item for item in DATASETS if all(re.search(pattern, words) for pattern in item.words)]
    alloys = [item for item in found if item.kind == "alloy"]  # whose words are the most
    chosen = alloys or found
    return chosen[0] if len(chosen) == 1 else None


def read_layout(folder: Path) -> Record:
    """Find out what lies where in a record.

    Raises:
        BadInput: not a folder, none of the record's folders in it, or a link that leaves it.
    """
    if not folder.is_dir():
        raise BadInput(f"{visible(folder)}: no such folder; give the one that holds {', '.join(FOLDERS)}")
    record = Record(folder, missing=[name for name in FOLDERS if not (folder / name).is_dir()])
    if len(record.missing) == len(FOLDERS):
        inner = [
            path for path in sorted(folder.iterdir()) if path.is_dir() and any((path / n).is_dir() for n in FOLDERS)
        ]
        if len(inner) == 1:
            return read_layout(inner[0])
        record.require("generated_data" if list(folder.glob("generated_data*")) else "train_val_data")
    _find_sets(record)
    _find_references(record)
    _find_generated(record)
    record.potentials = [
        path for path in _files(folder, "potentials") if path.suffix.lower() in (".xml", ".json", ".pt")
    ]
    return record


def _files(folder: Path, name: str) -> Iterator[Path]:
    """Yield the files below one of the record's folders, in order; links must stay inside.

    Raises:
        BadInput: a link that leaves the record, or far too many files.
    """
    start, inside = folder / name, folder.resolve()
    for count, path in enumerate(sorted(start.rglob("*")) if start.is_dir() else ()):
        if count > MOST_FILES:
            raise BadInput(f"{visible(start)}: more than {MOST_FILES} files; is this the record?")
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            raise BadInput(f"{visible(path)}: a link that leaves the record; copy the file into it if it belongs")
        if path.is_file():
            yield path


def _find_sets(record: Record) -> None:
    """Find training and validation sets: extended XYZ outside the models' own formats comes first."""
    candidates: dict[tuple[str, str], list[tuple[bool, Path]]] = {}
    for path in _files(record.folder, "train_val_data"):
        if not STRUCTURES.search(path.name):
            continue
        inside = path.relative_to(record.folder / "train_val_data")
        words = words_of(inside)
        dataset = find_dataset(words)
        part = _part(words)
        if dataset is None or part is None:
            record.not_understood.append(path)
            continue
        of_model = any(word in FORMATS for word in words.split())
        candidates.setdefault((dataset.name, part), []).append((of_model, path))
    for (name, part), found in candidates.items():
        record.sets.setdefault(name, {})[part] = min(found, key=lambda item: (item[0], len(item[1].parts), item[1]))[1]


def _part(words: str) -> str | None:
    names = set(words.split())
    train, validation = bool(names & {"train", "training"}), bool(names & {"val", "valid", "validation"})
    # the folder may be called train_val_data itself: the last of the words counts
    if train and validation:
        last = [word for word in words.split() if word in ("train", "training", "val", "valid", "validation")][-1]
        return "train" if last.startswith("train") else "validation"
    return "train" if train else "validation" if validation else None


def _find_references(record: Record) -> None:
    start = record.folder / "dismai_bench_train_ref_data"
    for dataset in DATASETS:
        if (start / dataset.name).is_dir():
            record.references[dataset.name] = start / dataset.name
    if start.is_dir():
        for path in sorted(item for item in start.iterdir() if item.is_dir()):
            found = find_dataset(words_of(path.name))
            if found is not None:
                record.references.setdefault(found.name, path)


def _find_generated(record: Record) -> None:
    start = record.folder / "generated_data"
    groups: dict[tuple[str, str, str, str], list[tuple[int, Path, DataSet, list[int]]]] = {}
    for path in _files(record.folder, "generated_data"):
        if not STRUCTURES.search(path.name):
            continue
        words = words_of(path.relative_to(start))
        dataset = find_dataset(words)
        model = next((title for key, title in MODELS.items() if re.search(rf"\b{key}\b", words)), None)
        if dataset is None or model is None:
            record.not_understood.append(path)
            continue
        stage, variant, numbers = _rest(words, dataset)
        key = (dataset.name, model, variant, f"{path.parent} {numbers}")
        groups.setdefault(key, []).append((stage, path, dataset, numbers))
    chosen = [(*key[:3], *max(found, key=lambda item: (item[0], item[1]))) for key, found in sorted(groups.items())]
    taken: dict[tuple[str, str, str], set[int]] = {}
    for name, model, variant, _, path, dataset, numbers in chosen:
        used = taken.setdefault((name, model, variant), set())
        given = numbers[-1] if numbers and numbers[-1] not in used else None
        replicate = given if given is not None else next(k for k in range(1, len(chosen) + 2) if k not in used)
        used.add(replicate)
        record.generated.append(Generated(path, dataset, model, variant, replicate))
    record.generated.sort(
        key=lambda item: (DATASETS.index(item.dataset), _order(item.model), item.variant, item.replicate)
    )


def _order(model: str) -> int:
    return list(dict.fromkeys(MODELS.values())).index(model)


def _rest(words: str, dataset: DataSet) -> tuple[int, str, list[int]]:
    """Return stage, variant and numbers of a file from the words that name neither data set nor model."""
    left = words
    for pattern in (*dataset.words, r"\balloys?\b", *(rf"\b{key}\b" for key in MODELS)):
        left = re.sub(pattern, " ", left)
    numbers = [int(found) for found in REPLICATE.findall(left)]
    left = REPLICATE.sub(" ", left)
    stage = max((STAGES.get(word, -1) for word in left.split()), default=-1)
    rest = [word for word in left.split() if word not in STAGES and word not in NOISE and word not in ("model", "run")]
    return stage, " ".join(dict.fromkeys(rest)), numbers


def described(record: Record) -> Iterator[tuple[str, str, str]]:
    """Yield what was taken for what: kind, name, path in the record."""
    for name, parts in sorted(record.sets.items()):
        for part, path in sorted(parts.items()):
            yield "data set", f"{name}, {part}", str(path.relative_to(record.folder))
    for name, path in sorted(record.references.items()):
        yield "reference", name, str(path.relative_to(record.folder))
    for item in record.generated:
        yield (
            "generated",
            f"{item.dataset.name}, {item.title}, {item.replicate}",
            str(item.path.relative_to(record.folder)),
        )
    for path in record.potentials:
        yield "potential", path.suffix.removeprefix("."), str(path.relative_to(record.folder))
    for path in record.not_understood:
        yield "not understood", "", str(path.relative_to(record.folder))
    for name in record.missing:
        yield "missing", FOLDERS[name], name


def chosen(names: Sequence[str]) -> list[DataSet]:
    """Return the data sets of these names, all of them without any.

    Raises:
        BadInput: no such data set.
    """
    from ...engine.errors import nearest

    known = {item.name: item for item in DATASETS}
    for name in names:
        if name not in known:
            raise BadInput(
                f"--only {visible(name, 60)}: no such data set{nearest(name, known)}; there are {', '.join(known)}"
            )
    return [known[name] for name in names] or list(DATASETS)
