"""A small published record, put together from the authors' reference data in ``tests/data``.

The folders and file names are those that the public READMEs state; where they state none (inside ``generated_data`` and
for the extended XYZ files), two ways are made, see ``nested``.
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

DATA = Path(__file__).parents[1] / "data" / "reference"
#: Generated structures by data set, model and number; the authors' inputs stand in for what models generated.
GENERATED = {
    "int": {"CDVAE": ["int/inputs/gen_relaxed"] * 2, "DiffCSP": ["int/inputs/gen_relaxed"]},
    "a_Si": {"CDVAE": ["a_Si/inputs/gen_relaxed"]},
    "alloy_300K_narrow": {
        "CryinGAN": ["alloy/inputs/gen_i"],
        "DiffCSP": ["alloy/inputs/gen_ii"],
        "CDVAE": ["alloy/inputs/gen_iii"],
    },
}
REFERENCE = {
    "int/train_motif/cnn_stats_Li.csv": "int/motif/train/cnn_stats_Li.csv.gz",
    "int/train_motif/cnn_stats_Co.csv": "int/motif/train/cnn_stats_Co.csv.gz",
    "int/train_motif/cnn_stats_Sc.csv": "int/motif/train/cnn_stats_Sc.csv.gz",
    "a_Si/train_motif/cnn_stats_Si_train.csv": "a_Si/motif/train/cnn_stats_Si.csv.gz",
    "a_Si/train_bond_angle/bond_angle_distribution_train.csv": "a_Si/bond_angle/train/bond_angle_distribution.csv",
    "a_Si/train_rdf/rdf_Si-Si_train.csv": "a_Si/rdf/train/rdf_Si-Si.csv",
    "alloy_300K_narrow/train_cluster_prob.csv": "alloy/clusters/train_300K/cluster_prob.csv",
    "alloy_1500K_wide/train_cluster_prob.csv": "alloy/clusters/train_1500K/cluster_prob.csv",
}
SETS = {
    "int": ("int/inputs/train", "int/inputs/train"),
    "a_Si": ("a_Si/inputs/train", "a_Si/inputs/train"),
    "alloy_300K_narrow": ("alloy/inputs/train_300K", "alloy/inputs/train_300K"),
    "alloy_1500K_wide": ("alloy/inputs/train_1500K", "alloy/inputs/train_1500K"),
}


def make_record(folder: Path, nested: bool = True) -> Path:
    """Make the record.

    Args:
        folder: is made.
        nested: whether generated structures lie in folders ``DATASET/MODEL_model_1/gen_relaxed.extxyz``, or else side
            by side as ``MODEL/DATASET_1.extxyz``.
    """
    for target, source in REFERENCE.items():
        unpack(DATA / source, folder / "dismai_bench_train_ref_data" / target)
    for name, parts in SETS.items():
        for part, source in zip(("train", "val"), parts, strict=True):
            place = f"extxyz/{name}/{part}.extxyz" if nested else f"{name}_{part}.extxyz"
            unpack(DATA / f"{source}.extxyz.gz", folder / "train_val_data" / place)
            # the models' own formats are there, too
            other = folder / "train_val_data" / "cdvae" / name / f"{part}.csv"
            other.parent.mkdir(parents=True, exist_ok=True)
            other.write_text("material_id,cif\n")
    for name, models in GENERATED.items():
        for model, files in models.items():
            for number, source in enumerate(files, 1):
                last = "gen_clean" if name.startswith("alloy") else "gen_relaxed"
                place = f"{name}/{model.lower()}_model_{number}/{last}.extxyz"
                target = folder / "generated_data" / (place if nested else f"{model}/{name}_{number}.extxyz")
                unpack(DATA / f"{source}.extxyz.gz", target)
                if nested:
                    unpack(DATA / f"{source}.extxyz.gz", target.with_name("gen.extxyz"))
    potential = folder / "potentials" / "SOAP-GAP" / "gp_iter6_sparse9k.xml"
    potential.parent.mkdir(parents=True)
    potential.write_text("<GAP/>\n")
    return folder


def unpack(source: Path, target: Path) -> None:
    """Copy a file, unpacked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".gz":
        with gzip.open(source) as packed, target.open("wb") as handle:
            shutil.copyfileobj(packed, handle)
    else:
        shutil.copyfile(source, target)
