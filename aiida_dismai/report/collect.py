"""From nodes to plain data: everything that a report shows, in one place.

What there is decides what is gathered, not the name of the process: a failed benchmark may have trained models but no
summary, a pipeline has both a data set and a benchmark, an evaluation has one model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import BadInput
from ..engine.metrics.aggregate import summarise
from ..engine.text import visible
from ..workchains.reasons import LIMIT, reason_of
from .alloys import AlloySet, read_sets
from .amorphous import AmorphousSet, read_set
from .links import inputs_of, outputs_of
from .origin import not_dft, stand_ins_of
from .stages import Tree, read_tree

Arrays = dict[str, NDArray[Any]]
#: Measures in the order of a table; others follow by name.
MEASURES = {
    "d_all": "fingerprint distance, all cations",
    "d_motif": "fingerprint distance",
    "d_rdf": "distance of the radial distributions",
    "d_angle": "distance of the bond angles",
    "d_cluster": "distance of the cluster probabilities",
    "vacancy_percent": "with a vacancy, %",
    "failed_percent": "failed, %",
    "mean_relaxation_steps": "relaxation steps",
}
#: Calculations between a relaxation and the set that a report is given: chunks are joined.
JOINED = 4
#: Training sets with fewer structures have no scatter to compare with.
TOO_FEW = 3
#: What a kind is judged by first; it stands for the others where there is room for one.
MAIN_MEASURE = {"interface": "d_all", "amorphous": "d_motif", "alloy": "d_cluster"}


@dataclass
class Model:
    """One trained model, or one file of generated structures.

    Attributes:
        name: ``model_0`` …
        metrics: the results of the task ``metrics``.
        training: the results of the task ``generator.train``; empty for an evaluation.
        nodes: PKs of its nodes by name.
        per_structure: the arrays of ``per_structure.npz``.
        curves: its losses by epoch.
        energies: energy per atom of what it generated, after relaxation, eV (converged ones).
        fmax: force at which its relaxations ended, eV/Å; None where nothing is known of them.
    """

    name: str
    metrics: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    per_structure: Arrays = field(default_factory=dict)
    curves: Arrays = field(default_factory=dict)
    energies: NDArray[Any] = field(default_factory=lambda: np.array([]))
    fmax: float | None = None


@dataclass
class Report:
    """All of one report.

    Attributes:
        process: pk, uuid, label, state, exit status and message, times of the process reported on.
        summary: ``n_models`` and ``metrics`` (mean, min, max, per model, noise floor); empty without models.
        models: one entry each.
        dataset: counts, E_cut, split, nodes; empty without.
        alloys: data sets of an alloy: all that a process has made, or the one that a benchmark was given.
        amorphous: data set of amorphous silicon: what a process has made, or what a benchmark was given.
        potential: test-set errors and what it was trained on; empty without.
        labels: what DFT did; empty without.
        arrays: ``potential_curves``, ``potential_parity``, ``dataset_energies`` (eV/atom), ``interface_energies``
            (J/m²).
        tree: the processes.
        stand_ins: codes that stood in for VASP in what the process was given, computed or gave out.
        notes: what a reader must know before quoting a number.
        paper: the paper's numbers and where they are from.
    """

    process: dict[str, Any]
    summary: dict[str, Any] = field(default_factory=dict)
    models: list[Model] = field(default_factory=list)
    dataset: dict[str, Any] = field(default_factory=dict)
    alloys: list[AlloySet] = field(default_factory=list)
    amorphous: AmorphousSet | None = None
    potential: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)
    tree: Tree = field(default_factory=Tree)
    stand_ins: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    paper: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str | None:
        """The family of metrics; None without models."""
        return str(self.models[0].metrics.get("kind", "interface")) if self.models else None

    @property
    def labels_title(self) -> str:
        """What the relaxations that labels are from are called."""
        return "relaxations with the stand-in (not DFT)" if self.stand_ins else "DFT relaxations"

    @property
    def n_training(self) -> int | None:
        """Structures in the smallest training set that was compared with; None where it is not known."""
        counts = [model.metrics.get("n_reference") for model in self.models]
        return min((int(count) for count in counts if isinstance(count, int)), default=None)

    def measures(self) -> list[str]:
        """Return the names of the measures, the important ones first."""
        metrics = self.summary.get("metrics") or {}
        # what was not relaxed has no steps of a relaxation
        names = [name for name in metrics if metrics[name]["models"] or not name.startswith("mean_")]
        known = [name for name in MEASURES if name in names]
        return known + sorted((name for name in names if name not in known), key=_order)

    def paper_tables(self) -> list[dict[str, Any]]:
        """Return what the paper reports for structures of this kind: ``data``, and values by model by measure."""
        tables: list[dict[str, Any]] = self.paper["tables"].get(self.kind, [])
        return tables


def _order(name: str) -> tuple[int, str]:
    for place, prefix in enumerate(("d_", "cos_", "mean_")):
        if name.startswith(prefix):
            return place, name
    return 9, name


def collect(node: Any) -> Report:
    """Gather the report on a process.

    Args:
        node: a benchmark, a pipeline, an evaluation or a data set; it may have failed or still run.

    Raises:
        BadInput: the process has nothing that a report could show.
    """
    outputs = outputs_of(node)
    report = Report(_process(node), paper=read_paper())
    benchmark = outputs["benchmark"] if isinstance(outputs.get("benchmark"), dict) else outputs
    made = outputs["dataset"] if isinstance(outputs.get("dataset"), dict) else outputs
    _add_models(report, benchmark)
    if "energies" not in made:
        made = _source_of(node)
    if made:
        _add_dataset(report, made)
        _add_potential(report, made)
    _add_single(report, outputs)
    report.alloys = read_sets(outputs) or _alloy_of(node)
    report.amorphous = read_set(outputs, inputs_of(node)) or _amorphous_of(node)
    shown = report.models or report.dataset or report.alloys or report.amorphous or report.labels or report.potential
    if not shown and node.is_finished_ok:
        raise BadInput(
            f"{node.process_label}<{node.pk}> has nothing to report; give a benchmark, a pipeline, an evaluation, "
            "a data set, a potential or labels"
        )
    report.tree = read_tree(node)
    report.stand_ins = stand_ins_of(node)
    report.notes = notes(report)
    return report


def read_paper() -> dict[str, Any]:
    """Return the paper's numbers from ``paper.yaml``."""
    import yaml

    content: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("paper.yaml").read_text())
    return content


def _process(node: Any) -> dict[str, Any]:
    state = node.process_state
    return {
        "pk": node.pk,
        "uuid": node.uuid,
        "type": node.process_label,
        "label": node.label,
        "state": "created" if state is None else state.value,
        "exit_status": node.exit_status,
        "exit_message": reason_of(node) if node.is_excepted else node.exit_message,
        "started": node.ctime.isoformat(timespec="seconds"),
        "seconds": round((node.mtime - node.ctime).total_seconds(), 1) if node.is_terminated else None,
    }


def _source_of(node: Any) -> dict[str, Any]:
    """Return the outputs of the workflow that made the training set which ``node`` was given; empty without one."""
    inputs = inputs_of(node)
    chosen = inputs.get("train", inputs.get("reference"))
    creator = getattr(chosen, "creator", None)
    while creator is not None:
        outputs = outputs_of(creator)
        if "energies" in outputs and "train" in outputs:
            return outputs
        creator = creator.caller
    return {}


def _maker_of(node: Any) -> tuple[Any, Any]:
    """Return the training set that ``node`` was given, and the process that made the data set; None for unknown."""
    inputs = inputs_of(node)
    chosen = inputs.get("train", inputs.get("reference"))
    creator = getattr(chosen, "creator", None)
    return chosen, None if creator is None else creator.caller


def _amorphous_of(node: Any) -> AmorphousSet | None:
    """Return the data set of amorphous silicon whose training set ``node`` was given; None if it is of no such set."""
    _, maker = _maker_of(node)
    return None if maker is None else read_set(outputs_of(maker), inputs_of(maker))


def _alloy_of(node: Any) -> list[AlloySet]:
    """Return the data set of an alloy whose training set ``node`` was given; none if it is of no such set."""
    chosen, maker = _maker_of(node)
    sets = {} if maker is None else outputs_of(maker).get("datasets")
    if not isinstance(sets, dict):
        return []
    own = {name: nodes for name, nodes in sets.items() if "train" in nodes and nodes["train"].pk == chosen.pk}
    return read_sets({"datasets": own})


# ---------------------------------------------------------------------- parts
def _add_models(report: Report, outputs: dict[str, Any]) -> None:
    metrics = outputs.get("metrics")
    if isinstance(metrics, dict):
        for name in sorted(metrics):
            parts = {
                part: (outputs.get(group) or {}).get(name)
                for part, group in (
                    ("metrics", "metrics"),
                    ("training", "training"),
                    ("curves", "curves"),
                    ("generator", "generators"),
                    ("generated", "generated"),
                    ("relaxed", "relaxed"),
                    ("per_structure", "per_structure"),
                )
            }
            report.models.append(_model(name, parts))
    elif metrics is not None:
        report.models.append(
            _model("generated", {name: outputs.get(name) for name in ("metrics", "relaxed", "per_structure")})
        )
    if "summary" in outputs:
        report.summary = outputs["summary"].get_dict()
    elif report.models:
        report.summary = summarise([model.metrics for model in report.models])


def _model(name: str, parts: dict[str, Any]) -> Model:
    model = Model(name, parts["metrics"].get_dict())
    model.nodes = {part: node.pk for part, node in parts.items() if node is not None}
    if parts.get("training") is not None:
        model.training = parts["training"].get_dict()
    if parts.get("curves") is not None:
        model.curves = _arrays(parts["curves"])
    if parts.get("per_structure") is not None:
        model.per_structure = _arrays(parts["per_structure"])
    if parts.get("relaxed") is not None:
        model.energies = energies_per_atom(parts["relaxed"].structures)
        model.fmax = relaxed_until(parts["relaxed"])
    return model


def relaxed_until(structures: Any) -> float | None:
    """Return the force (eV/Å) at which the relaxations ended that structures come from; None where none is known."""
    from ..engine.potentials.parameters import RelaxParameters

    waiting = [structures]
    for _ in range(JOINED):
        makers = list({node.creator.pk: node.creator for node in waiting if node.creator is not None}.values())
        relaxations = [maker for maker in makers if (maker.process_type or "").endswith(":dismai.relax")]
        if relaxations:
            given = inputs_of(relaxations[0]).get("parameters")
            default = RelaxParameters.model_fields["fmax"].default
            return float((given.get_dict() if given is not None else {}).get("fmax", default))
        waiting = [node for maker in makers for node in inputs_of(maker).values() if hasattr(node, "structures")]
    return None


def _arrays(node: Any) -> Arrays:
    return {name: node.get_array(name) for name in node.get_arraynames()}


def energies_per_atom(structures: Any) -> NDArray[Any]:
    """Return the energy per atom of the converged structures, eV; none without energies."""
    if "energy" not in structures.properties:
        return np.array([])
    energies = structures.values("energy") / structures.n_atoms
    good = np.isfinite(energies)
    if "converged" in structures.properties:
        good &= structures.values("converged").astype(bool)
    return np.asarray(energies[good])


def _add_dataset(report: Report, outputs: dict[str, Any]) -> None:
    if "energies" not in outputs:
        return
    energies = outputs["energies"].get_dict()
    report.arrays["interface_energies"] = np.array(energies.pop("interface_energies", []), dtype=float)
    report.dataset = dict(energies)
    split = outputs["split"].get_dict() if "split" in outputs else {}
    report.dataset |= {
        "split_seed": split.get("seed"),
        "n_train": len(split["train"]) if "train" in split else None,
        "n_validation": len(split["validation"]) if "validation" in split else None,
        "nodes": {
            name: outputs[name].pk for name in ("dataset", "train", "validation", "candidates") if name in outputs
        },
    }
    dataset = outputs.get("dataset")
    if dataset is not None:
        report.dataset |= {
            "structures": len(dataset),
            "formulas": dataset.formulas[:3],
            "n_atoms": dataset.base.attributes.get("n_atoms"),
            "content_hash": dataset.content_hash,
        }
        report.arrays["dataset_energies"] = energies_per_atom(dataset.structures)


def _add_potential(report: Report, outputs: dict[str, Any]) -> None:
    if "potential_results" in outputs:
        report.potential = outputs["potential_results"].get_dict()
        report.potential["pk"] = outputs["potential"].pk if "potential" in outputs else None
        if "potential_check" in outputs:
            report.potential["table5"] = outputs["potential_check"].get_dict().get("table5")
    for name in ("potential_curves", "potential_parity"):
        if name in outputs:
            report.arrays[name] = _arrays(outputs[name])
    if "label_summary" in outputs:
        report.labels = outputs["label_summary"].get_dict()


def _add_single(report: Report, outputs: dict[str, Any]) -> None:
    """Add what a process gives out that makes a potential, or labels, and nothing else."""
    if "potential" in outputs and "results" in outputs:
        named = {"potential": "potential", "results": "potential_results", "check": "potential_check"}
        named |= {"curves": "potential_curves", "parity": "potential_parity"}
        _add_potential(report, {name: outputs[port] for port, name in named.items() if port in outputs})
    elif "labelled" in outputs and "summary" in outputs:
        _add_potential(report, {"label_summary": outputs["summary"]})


# ---------------------------------------------------------------------- what to know first
def notes(report: Report) -> list[str]:
    """Return the warnings of a report: no DFT, not finished, small."""
    found = []
    if report.stand_ins:
        found.append(not_dft(report.stand_ins))
    process = report.process
    if process["state"] == "excepted":
        found.append(f"The process raised an exception: {visible(process['exit_message'], LIMIT)}")
    elif process["state"] != "finished":
        found.append(f"The process is {process['state']}: only what is available so far is shown.")
    elif process["exit_status"]:
        found.append(f"The process failed [{process['exit_status']}]: {visible(process['exit_message'], LIMIT)}")
    n = report.n_training
    if n is not None and n < TOO_FEW:
        plural = "s" if n != 1 else ""
        found.append(f"Only {n} training structure{plural} to compare with: distances and noise floor are meaningless.")
    warnings = report.potential.get("warnings")
    if isinstance(warnings, list):
        found += [f"Labels of the potential: {visible(line, LIMIT)}." for line in warnings]
    small = smaller_than_paper(report)
    if small:
        found.append("Smaller than in the paper (whose value is in brackets): " + "; ".join(small) + ".")
    return found


def smaller_than_paper(report: Report) -> list[str]:
    """Return what there is less of than in the paper, in words."""
    scale = report.paper["scale"]
    generated = [model.metrics.get("n_generated") for model in report.models]
    sizes: dict[str, Any] = {
        "labelled_structures": report.labels.get("labelled_structures"),
        "labelled_steps": report.labels.get("labelled_steps"),
        "dataset": min((one.summary["kept"] for one in report.alloys), default=_size_of_dataset(report)),
        "n_models": report.summary.get("n_models") if any(model.training for model in report.models) else None,
        "generated": min((number for number in generated if number is not None), default=None),
    }
    wanted = [(sizes[name], *scale[name]) for name in sizes]
    kinds = {str(model.training.get("model")) for model in report.models}
    of_kind = scale["epochs"].get(report.kind, {})
    for kind in sorted(kind for kind in kinds if kind in of_kind):
        epochs = [model.training["epochs"] for model in report.models if model.training.get("model") == kind]
        wanted.append((min(epochs), *of_kind[kind]))
    said = [f"{size} {what} ({paper})" for size, paper, what in wanted if size is not None and size < paper]
    return [text.replace("with DFT", "with the stand-in, not DFT") if report.stand_ins else text for text in said]


def _size_of_dataset(report: Report) -> Any:
    return report.dataset.get("structures") if report.amorphous is None else report.amorphous.n_structures
