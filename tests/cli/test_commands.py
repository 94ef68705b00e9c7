"""The commands as a user types them: what they print, and that errors are one line that says what to do."""

import io
import json
import stat
import subprocess
import sys

import numpy as np
import pytest
import yaml
from aiida import orm
from ase.io import read
from support import handmade
from support.commands import dry, refused, run

from aiida_dismai.calculations.gpus import gpu_line
from aiida_dismai.cli import main
from aiida_dismai.cli.inputs import reference_input
from aiida_dismai.cli.launching import scheduler_options, seconds
from aiida_dismai.cli.potentials import needed_potentials
from aiida_dismai.cli.status import describe_progress, summary_lines
from aiida_dismai.data import StructureSetData
from aiida_dismai.dft import Potentials, find
from aiida_dismai.engine.errors import BadInput
from aiida_dismai.engine.structures import Property, StructureSet, write_extxyz


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


def test_help_imports_neither_aiida_nor_torch():
    program = (
        "import sys; from click.testing import CliRunner; from aiida_dismai.cli import main;"
        "[CliRunner().invoke(main, [*words, '--help']) for words in ([], ['launch', 'pipeline'], ['report'])];"
        "print([name for name in ('aiida', 'torch', 'plotly', 'rich', 'pymatgen') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_help_keeps_the_lines_of_its_example():
    assert "\n      aiida-dismai status PK --watch\n" in run("--help").output


def test_a_file_that_is_not_there_is_taken_for_neither_node_nor_file(graph):
    line = refused("dataset", "show", "generatd.extxyz")
    assert "no node with the PK, UUID or label 'generatd.extxyz'" in line
    assert "and no such file" in line


def test_what_a_validator_says_is_passed_on_as_it_is():
    from aiida_dismai.cli.root import one_line

    assert one_line(OSError("invalid attribute value the set is\nempty")) == "the set is empty"


def test_every_command_has_help():
    def walk(command, words):
        result = run(*words, "--help")
        assert result.exit_code == 0
        assert command.help, words
        for name, child in getattr(command, "commands", {}).items():
            walk(child, [*words, name])

    walk(main, [])


# ---------------------------------------------------------------------- nodes
def test_unknown_pk_and_wrong_type(graph):
    assert "no node with the PK" in refused("report", 999_999)
    assert "is a StructureSetData, not a ProcessNode" in refused("status", graph.outputs["train"].pk)
    line = refused("dataset", "show", graph.outputs["summary"].pk)
    assert "is a Dict, not a StructureSetData or ProcessNode" in line


def test_debug_raises(graph):
    result = run("--debug", "report", 999_999)
    assert isinstance(result.exception, BadInput)


def test_unknown_profile():
    result = run("-p", "there-is-no-such-profile", "doctor")
    assert result.exit_code == 1
    assert "there-is-no-such-profile" in result.output
    assert "Traceback" not in result.output


# ---------------------------------------------------------------------- data sets
def test_import_show_export(graph, tmp_path):
    source = tmp_path / "some.extxyz"
    write_extxyz(handmade.structures(3, 5, energy=[1.0, 2.0, 3.5]), source)
    result = run("dataset", "import", source, "--label", "three")
    assert result.exit_code == 0, result.output
    node = orm.QueryBuilder().append(StructureSetData, filters={"label": "three"}).one()[0]
    assert f"<{node.pk}>" in result.output
    assert node.content_hash in result.output
    assert "1 … 3.5" in run("dataset", "show", "three").output

    out = tmp_path / "again.extxyz"
    assert run("dataset", "export", node.uuid, out).exit_code == 0
    assert [frame.get_potential_energy() for frame in read(out, ":")] == [1.0, 2.0, 3.5]
    assert "exists" in refused("dataset", "export", node.pk, out)
    assert run("dataset", "export", node.pk, tmp_path / "again.npz").exit_code == 0
    assert StructureSetData.from_file(tmp_path / "again.npz").content_hash == node.content_hash
    assert "ending" in refused("dataset", "export", node.pk, tmp_path / "again.pdf")


def test_what_is_exported_is_imported_as_it_was(graph, tmp_path):
    """Empty and number-like texts, matrices, units: by both formats, there and back and there again."""
    structures = handmade.structures(3, 5, energy=[1.0, 2.0, 3.5]).with_properties(
        {
            "failure": Property(np.array(["", "overlap", "12"]), "structure"),
            "fmax": Property(np.array([0.82, 0.01, 0.5]), "structure", "eV/Å"),
            "sro": Property(np.arange(27.0).reshape(3, 3, 3), "structure"),
            "density": Property(np.array([2.3, 2.2, 2.1]), "structure", "g/cm³"),
        }
    )
    node = StructureSetData(structures).store()
    for ending in ("extxyz", "npz"):
        out = tmp_path / f"out.{ending}"
        assert run("dataset", "export", node.pk, out).exit_code == 0
        assert run("dataset", "import", out, "--label", f"back_{ending}").exit_code == 0
        back = orm.QueryBuilder().append(StructureSetData, filters={"label": f"back_{ending}"}).one()[0]
        assert back.structures == structures


def test_import_without_lattice(graph, tmp_path):
    (tmp_path / "bare.extxyz").write_text("1\nProperties=species:S:1:pos:R:3\nLi 0 0 0\n")
    before = orm.QueryBuilder().append(StructureSetData).count()
    assert "no lattice" in refused("dataset", "import", tmp_path / "bare.extxyz")
    assert orm.QueryBuilder().append(StructureSetData).count() == before


def test_show_takes_the_data_set_of_a_process(graph):
    for process in (graph.dataset, graph.pipeline):
        assert f"StructureSetData<{graph.outputs['dataset'].pk}>" in run("dataset", "show", process.pk).output


# ---------------------------------------------------------------------- report and status
def test_report_table(graph):
    result = run("report", graph.pipeline.pk)
    assert result.exit_code == 0, result.output
    for words in (
        "not DFT",
        "0.06",
        "(0.05, 0.07)",
        "noise floor",
        "0.02 (0.016, 0.024)",
        "E_cut",
        "-4.77",
        "45.6",
        "ran out of steps",
        "benchmark / train",
    ):
        assert words in result.output


def test_report_to_files(graph, tmp_path):
    result = run(
        "report", graph.pipeline.pk, "--format", "json", "-o", tmp_path / "r.json", "--html", tmp_path / "r.html"
    )
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "r.json").read_text())["process"]["pk"] == graph.pipeline.pk
    assert (tmp_path / "r.html").stat().st_size > 1_000_000
    assert run("report", graph.pipeline.pk, "--format", "csv").output.startswith("model,")


def test_status_of_a_finished_and_a_failed_run(graph):
    text = run("status", graph.pipeline.pk).output
    assert f"PipelineWorkChain<{graph.pipeline.pk}> finished" in text
    assert "metrics: MetricsCalculation<" in text
    top = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "relax", "RelaxWorkChain")
    handmade.process(
        orm.CalcJobNode,
        handmade.CALCULATIONS + "relax",
        "RelaxCalculation",
        caller=top,
        exit_status=410,
        message="out of memory",
    )
    text = summary_lines(top, everything=False)
    assert "RelaxCalculation" in text
    assert "failed [410] out of memory" in text


def test_status_reads_the_progress_of_a_running_job(graph, tmp_path):
    from aiida_dismai.cli.setup import make_localhost

    job = handmade.process(
        orm.CalcJobNode, handmade.CALCULATIONS + "generator.train", "TrainGeneratorCalculation", {"code": graph.code},
        exit_status=None,
    )  # fmt: skip
    job.set_remote_workdir(str(tmp_path))
    job.set_process_state("waiting")
    assert make_localhost("unused")[0].pk == job.computer.pk
    assert "train" not in summary_lines(job, everything=False)
    lines = [{"stage": "train", "done": n, "total": 90, "generator_loss": 0.5 / n, "time": 1.0} for n in (1, 2)]
    (tmp_path / "progress.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"stage": "tr')
    assert "train 2/90, generator_loss 0.25" in summary_lines(job, everything=False)


def test_many_finished_children_are_one_line(graph):
    top = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "relax", "RelaxWorkChain")
    for _ in range(6):
        handmade.process(orm.CalcJobNode, handmade.CALCULATIONS + "relax", "RelaxCalculation", caller=top)
    assert "6 × RelaxCalculation finished" in summary_lines(top, everything=False)
    assert summary_lines(top, everything=True).count("RelaxCalculation<") == 6


def test_describe_progress_without_numbers():
    assert describe_progress({"stage": "relax", "done": 1, "total": 2, "time": 3.0}) == "relax 1/2"


# ---------------------------------------------------------------------- setup
def script(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_setup_code(graph, tmp_path):
    good = script(tmp_path / "dismai", "#!/bin/sh\necho generator.train\n")
    arguments = ("setup", "code", "--computer", "localhost", "--label", "fresh", "--executable")
    assert "created" in run(*arguments, good).output
    assert "is there already" in run(*arguments, good).output
    code = orm.load_code("fresh@localhost")
    assert code.default_calc_job_plugin.startswith("dismai.")
    other = script(tmp_path / "other", "#!/bin/sh\nexit 3\n")
    assert "already exists and runs" in refused(*arguments, other)
    assert "does not answer" in refused(
        "setup", "code", "--computer", "localhost", "--label", "bad", "--executable", other
    )
    assert "no such executable" in refused(*arguments, tmp_path / "nothing")
    assert "no computer 'moon'" in refused("setup", "code", "--computer", "moon", "--executable", good)


def test_setup_profile_and_cluster_only_print():
    assert "verdi presto -n -p mine --use-zeromq" in run("setup", "profile", "--name", "mine").output
    text = run("setup", "computer", "cluster").output
    assert "core.slurm" in text
    assert "-L cluster" in text


def test_setup_potentials_says_the_upload_command(graph):
    result = run("setup", "potentials", "--family", "nowhere", "--path", "/potcars")
    assert result.exit_code == 1
    assert "aiida-vasp potcar uploadfamily --path /potcars --name nowhere" in result.output
    assert "Li_sv" in result.output


def test_doctor_lists_what_is_there(graph):
    text = " ".join(run("doctor", "--no-job").output.replace("│", " ").split())
    assert "dismai@localhost" in text
    assert "code vasp@localhost" in text
    assert "setup potentials --engine vasp" in text


# ---------------------------------------------------------------------- launch
def test_wall_times():
    assert seconds("90") == 90
    assert seconds("01:02:03") == 3723
    for text in ("0", "1:30", "1h", ""):
        with pytest.raises(BadInput, match="HH:MM:SS"):
            seconds(text)


class Computer:
    label = "cluster"

    def __init__(self, scheduler):
        self.scheduler_type = scheduler


class Code:
    def __init__(self, scheduler):
        self.computer = Computer(scheduler)


def test_scheduler_options(tmp_path):
    how = {"options_file": None, "queue": "gpu", "account": None, "walltime": "00:10:00", "gpus": 2}
    slurm = Code("core.slurm")
    assert scheduler_options(how, slurm) == {
        "queue_name": "gpu",
        "max_wallclock_seconds": 600,
        "custom_scheduler_commands": "#SBATCH --gres=gpu:2",
    }
    (tmp_path / "options.yaml").write_text("queue_name: cpu\nqos: high\ncustom_scheduler_commands: '#SBATCH --nice'\n")
    how["options_file"] = str(tmp_path / "options.yaml")
    assert scheduler_options(how, slurm)["qos"] == "high"
    assert scheduler_options(how, slurm)["queue_name"] == "gpu"
    assert scheduler_options(how, slurm)["custom_scheduler_commands"] == "#SBATCH --nice\n#SBATCH --gres=gpu:2"
    (tmp_path / "options.yaml").write_text("- a list\n")
    with pytest.raises(BadInput, match="mapping"):
        scheduler_options(how, slurm)


@pytest.mark.parametrize(
    ("scheduler", "line"),
    [("core.slurm", "#SBATCH --gres=gpu:3"), ("core.lsf", '#BSUB -gpu "num=3"'), ("core.sge", "#$ -l gpu=3")],
)
def test_gpus_are_asked_for_in_the_language_of_the_scheduler(scheduler, line):
    assert gpu_line(3, Code(scheduler)) == line


@pytest.mark.parametrize(
    ("scheduler", "hint"),
    [
        ("core.direct", "CUDA_VISIBLE_DEVICES"),
        ("core.pbspro", "custom_scheduler_commands"),
        ("x.y", "custom_scheduler"),
    ],
)
def test_gpus_of_a_scheduler_without_a_line_for_them(scheduler, hint):
    with pytest.raises(BadInput, match=f"gpus.*cluster.*{hint}"):
        gpu_line(1, Code(scheduler))


def test_dry_run_of_an_evaluation_stores_nothing(graph, tmp_path):
    write_extxyz(handmade.structures(2, 6), tmp_path / "gen.extxyz")
    content = dry("evaluate", tmp_path / "gen.extxyz", "--dataset", graph.dataset.pk, "--queue", "short")
    assert content["process"] == "dismai.evaluate"
    inputs = content["inputs"]
    assert inputs["reference"] == f"StructureSetData<{graph.outputs['train'].pk}>"
    assert inputs["potential"] == f"PotentialData<{graph.outputs['potential'].pk}>"
    assert inputs["structures"] == "StructureSetData<gen.extxyz>"
    assert inputs["metrics"]["job"]["options"]["queue_name"] == "short"


def test_an_evaluation_takes_the_validation_set_of_the_data(graph, tmp_path):
    write_extxyz(handmade.structures(2, 6), tmp_path / "gen.extxyz")
    arguments = ("evaluate", tmp_path / "gen.extxyz", "--dataset", graph.dataset.pk)
    validation = f"StructureSetData<{graph.outputs['validation'].pk}>"
    assert dry(*arguments)["inputs"]["validation"] == validation
    assert dry(*arguments, "--validation", graph.outputs["train"].pk)["inputs"]["validation"] != validation
    # a bare training set says neither what its validation set nor what its potential is
    bare = (*arguments[:-1], graph.outputs["train"].pk)
    assert "validation" not in dry(*bare, "--potential", graph.pipeline.pk)["inputs"]


def test_an_evaluation_of_alloys_is_not_relaxed(graph, tmp_path):
    write_extxyz(handmade.structures(2, 6), tmp_path / "gen.extxyz")
    arguments = ("evaluate", tmp_path / "gen.extxyz", "--dataset", graph.dataset.pk, "--kind", "alloy")
    inputs = dry(*arguments)["inputs"]
    assert inputs["metrics"]["job"]["parameters"]["kind"] == "alloy"
    assert {"potential", "relax", "postprocess"} & set(inputs) == set()
    line = refused(*arguments, "--potential", graph.pipeline.pk, "--code", "dismai@localhost", "--dry-run")
    assert "leave out potential" in line
    launched = ("launch", "benchmark", "--dataset", graph.dataset.pk, "--model", "cryingan", "--seed", 3)
    inputs = dry(*launched, "--kind", "alloy")["inputs"]
    assert inputs["evaluate"]["metrics"]["job"]["parameters"]["kind"] == "alloy"
    assert "potential" not in inputs


def silicon(n, seed):
    """Return the handmade structures with silicon on every site."""
    made = handmade.structures(n, seed)
    return StructureSet.from_uniform(np.full(6, 14), made.positions.reshape(n, 6, 3), made.cells[0])


def test_a_data_set_of_amorphous_silicon_and_what_is_compared_with_it(graph, tmp_path):
    """Generated structures are relaxed as those of the data set were; the user's overrides lie over that."""
    inputs = dry("launch", "amorphous", "--seed", 3, "--protocol", "demo")["inputs"]
    assert "network" in inputs
    assert inputs["relax"]["job"]["parameters"]["calculator"] == "edip"
    write_extxyz(handmade.structures(1, 6), tmp_path / "large.extxyz")
    line = refused(
        *("launch", "amorphous", "--seed", 3, "--route", "quench", "--large-cell", tmp_path / "large.extxyz"),
        *("--code", "dismai@localhost", "--dry-run"),
    )
    assert "the route 'quench' does not use it" in line

    relaxation = orm.Dict({"calculator": "sw_vink", "fmax": 0.02})
    made = handmade.process(
        orm.WorkChainNode,
        handmade.WORKFLOWS + "dataset.amorphous",
        "AmorphousDatasetWorkChain",
        {"relax__job__parameters": relaxation},
    )
    sets = {name: StructureSetData(silicon(n, n)).store() for name, n in (("train", 6), ("validation", 2))}
    handmade.finish(made, sets)
    write_extxyz(silicon(2, 6), tmp_path / "gen.extxyz")
    (tmp_path / "overrides.yaml").write_text("relax: {parameters: {fmax: 0.1}}")
    arguments = ("evaluate", tmp_path / "gen.extxyz", "--dataset", made.pk)
    inputs = dry(*arguments)["inputs"]
    assert inputs["metrics"]["job"]["parameters"]["kind"] == "amorphous"
    parameters = inputs["relax"]["job"]["parameters"]
    assert (parameters["calculator"], parameters["fmax"]) == ("sw_vink", 0.02)
    inputs = dry(*arguments, "--overrides", tmp_path / "overrides.yaml")["inputs"]
    parameters = inputs["relax"]["job"]["parameters"]
    assert (parameters["calculator"], parameters["fmax"]) == ("sw_vink", 0.1)
    inputs = dry("launch", "benchmark", "--dataset", made.pk, "--model", "resample", "--seed", 3)["inputs"]
    assert inputs["evaluate"]["relax"]["job"]["parameters"]["calculator"] == "sw_vink"
    assert inputs["evaluate"]["metrics"]["job"]["parameters"]["kind"] == "amorphous"
    assert "potential" not in inputs


def test_what_generated_structures_are_compared_with(graph, tmp_path):
    """An earlier reference, or a folder of csv files of which only these are taken."""
    write_extxyz(handmade.structures(2, 6), tmp_path / "gen.extxyz")
    common = ("--structures", tmp_path / "gen.extxyz", "--kind", "alloy")
    earlier = orm.SinglefileData(io.BytesIO(b"x"), filename="reference.npz").store()
    inputs = dry("launch", "evaluate", *common, "--reference", earlier.pk)["inputs"]
    assert inputs["reference"] == f"SinglefileData<{earlier.pk}>"
    record = tmp_path / "record"
    (record / "alloy").mkdir(parents=True)
    (record / "weights.ckpt").write_bytes(b"large")
    line = refused("launch", "evaluate", *common, "--reference", record, "--code", "dismai@localhost", "--dry-run")
    assert "no csv file in the folder" in line
    (record / "alloy" / "train_cluster_prob.csv").write_text("a,b\n")
    inputs = dry("launch", "evaluate", *common, "--reference", record)["inputs"]
    assert inputs["reference"] == "FolderData<record>"
    assert dry("evaluate", tmp_path / "gen.extxyz", "--dataset", record, "--kind", "alloy")["inputs"] == inputs
    found = reference_input(str(record), "reference")
    assert [str(path / name) for path, _, names in found.base.repository.walk() for name in names] == [
        "alloy/train_cluster_prob.csv"
    ]


def test_dry_run_of_a_benchmark(graph):
    content = dry("launch", "benchmark", "--dataset", graph.pipeline.pk, "--model", "cryingan", "--seed", 3)
    assert content["inputs"]["seed"] == 3
    assert content["inputs"]["train"] == f"StructureSetData<{graph.outputs['train'].pk}>"
    assert content["inputs"]["generator"]["parameters"]["model"] == "cryingan"


def test_launch_refuses_in_one_line(graph, tmp_path):
    common = ("--code", "dismai@localhost", "--dry-run")
    benchmark = ("launch", "benchmark", "--dataset", graph.pipeline.pk, "--seed", 3, *common)
    assert "no generative model 'cryingann' is registered; did you mean 'cryingan'?" in refused(
        *benchmark, "--model", "cryingann"
    )
    assert "unknown protocol 'papre'" in refused(*benchmark, "--model", "cryingan", "--protocol", "papre")
    (tmp_path / "o.yaml").write_text("n_modles: 2\n")
    line = refused(*benchmark, "--model", "cryingan", "--overrides", tmp_path / "o.yaml")
    assert "did you mean 'n_models'?" in line
    (tmp_path / "bare.extxyz").write_text("1\nProperties=species:S:1:pos:R:3\nLi 0 0 0\n")
    assert "no lattice" in refused("evaluate", tmp_path / "bare.extxyz", "--dataset", graph.dataset.pk, *common)
    assert "no code 'nowhere'" in refused(*benchmark[:-3], "--code", "nowhere", "--model", "cryingan")
    wrong = ("--code", graph.vasp_code.full_label, "--dry-run", "--model", "cryingan")
    assert "not 'dismai'" in refused("launch", "benchmark", "--dataset", graph.pipeline.pk, "--seed", 3, *wrong)


def test_unknown_element_for_the_potential(graph, tmp_path):
    (tmp_path / "xe.extxyz").write_text('1\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3\nXe 0 0 0\n')
    arguments = (
        "evaluate",
        tmp_path / "xe.extxyz",
        "--dataset",
        graph.dataset.pk,
        "--code",
        "dismai@localhost",
        "--dry-run",
    )
    result = run(*arguments)
    assert result.exit_code == 1
    assert "- the potential does not know Xe; it was trained for Li, O, Co" in result.output
    assert "- structures: Xe, but those of the reference are CoLi2O3: they belong to another data set" in result.output


def test_usage_errors_name_what_is_missing(graph):
    both = run("launch", "pipeline", "--slab-a", "1", "--slab-b", "2", "--model", "cryingan", "--seed", 1)
    assert both.exit_code == 2
    assert "--dft-code" in both.output
    assert "--train" in run("launch", "benchmark", "--model", "cryingan", "--seed", 1).output


def test_run_in_the_foreground_says_which_step_failed(graph, tmp_path):
    silent = script(tmp_path / "dismai", '#!/bin/sh\n[ "$1" = list ] && echo generator.train\nexit 0\n')
    assert run("setup", "code", "--computer", "localhost", "--label", "silent", "--executable", silent).exit_code == 0
    write_extxyz(handmade.structures(2, 7), tmp_path / "gen.extxyz")
    arguments = ("--dataset", graph.dataset.pk, "--code", "silent@localhost", "--protocol", "demo", "--label", "mine")
    result = run("evaluate", tmp_path / "gen.extxyz", *arguments, "--run")
    assert result.exit_code == 1
    node = orm.QueryBuilder().append(orm.WorkChainNode, filters={"label": "mine"}).one()[0]
    assert f"EvaluateWorkChain<{node.pk}> failed [540]" in result.output
    assert f"aiida-dismai status {node.pk}" in result.output
    assert "PostprocessCalculation" in run("status", node.pk).output
    # the file became a node of the graph
    assert node.inputs.structures.label == "gen.extxyz"


# ---------------------------------------------------------------------- overrides and checks
def test_single_overrides_lie_over_those_of_the_file(graph, tmp_path):
    (tmp_path / "o.yaml").write_text("n_models: 5\nsample: {n_structures: 7}\n")
    arguments = ("launch", "benchmark", "--dataset", graph.pipeline.pk, "--model", "cryingan", "--seed", 3)
    inputs = dry(*arguments, "--overrides", tmp_path / "o.yaml", "--set", "n_models=4")["inputs"]
    assert (inputs["n_models"], inputs["sample"]["n_structures"]) == (4, 7)
    common = (*arguments, "--code", "dismai@localhost", "--dry-run")
    assert "did you mean 'n_models'?" in refused(*common, "--set", "n_modles=4")
    assert "write PATH=VALUE" in refused(*common, "--set", "n_models")
    (tmp_path / "o.yaml").write_text("n_models: 5\nn_models: 6\n")
    assert "'n_models' appears twice, in the lines 1 and 2" in refused(*common, "--overrides", tmp_path / "o.yaml")
    (tmp_path / "options.yaml").write_text("queue_nam: gpu\n")
    line = refused(*common, "--options", tmp_path / "options.yaml")
    assert "unknown scheduler option 'options.queue_nam'; did you mean 'queue_name'?" in line
    assert "--gpus: 'localhost' has no scheduler (core.direct)" in refused(*common, "--gpus", 1)


def test_guessed_oxidation_states_are_shown(graph, tmp_path):
    frames = handmade.structures(3, 6)
    rock_salt = StructureSet.from_uniform(
        np.array([12, 8, 12, 8, 12, 8]), frames.positions.reshape(3, 6, 3), frames.cells[0]
    )
    write_extxyz(rock_salt, tmp_path / "mgo.extxyz")
    path = tmp_path / "mgo.extxyz"
    potential = ("--set", "relax.parameters.calculator=chgnet")
    result = run(
        *("launch", "evaluate", "--structures", path, "--reference", path, "--code", "dismai@localhost", "--dry-run"),
        *potential,
    )
    assert result.exit_code == 0, result.output
    assert result.output.startswith("# oxidation states guessed for the metrics: Mg=2,O=-2 (others: --oxidation-states")
    table = yaml.safe_load(result.output)["inputs"]["metrics"]["job"]["parameters"]["interface"]
    assert table == {"oxidation_states": {"Mg": 2, "O": -2}, "cations": ["Mg"], "anions": ["O"]}
    arguments = ("launch", "evaluate", "--structures", path, "--reference", path, *potential)
    table = dry(*arguments, "--oxidation-states", "Mg=1,O=-1")["inputs"]["metrics"]["job"]["parameters"]["interface"]
    assert table["oxidation_states"] == {"Mg": 1, "O": -1}
    line = refused(*arguments, "--oxidation-states", "Mg=1", "--code", "dismai@localhost", "--dry-run")
    assert "there is none of O" in line


def test_setup_takes_the_protocol_and_the_overrides_of_a_launch(graph, tmp_path):
    """Which workflow they are of, their names say; the check of the potential needs potentials, too."""

    def needed(protocol=None, overrides=None):
        return needed_potentials(find("vasp"), protocol, overrides)

    paper = {"Li": "Li_sv", "Sc": "Sc_sv", "Co": "Co", "Cl": "Cl", "O": "O"}
    assert needed() == [Potentials("PBE.54", paper)]
    assert needed("demo")[0].family == "dismai-standin"
    mine = {"potential_family": "mine", "potential_mapping": {"Mg": "Mg", "O": "O"}}
    for content in (mine, {"label": mine, "potential": {"check": {"label": mine}}}, {"check": {"label": mine}}):
        (tmp_path / "o.yaml").write_text(yaml.safe_dump(content))
        assert needed(None, str(tmp_path / "o.yaml")) == [Potentials("mine", {"Mg": "Mg", "O": "O"})]
    (tmp_path / "o.yaml").write_text(yaml.safe_dump({"dataset": {"label": mine}}))
    assert [item.family for item in needed(None, str(tmp_path / "o.yaml"))] == ["mine", "PBE.54"]
    line = refused("setup", "potentials", "--set", "potential_famly=mine")
    assert "unknown override 'potential_famly'; did you mean 'potential_family'?" in line
    text = run("doctor", "--no-job", "--set", "potential_family=mine", "--set", "potential_mapping={Mg: Mg_pv}").output
    assert "Mg_pv missing in family 'mine'" in text
    assert "no DFT engine 'vsap' is registered; did you mean 'vasp'?" in refused("doctor", "--engine", "vsap")


def test_setup_makes_a_dft_code(graph, tmp_path):
    path = script(tmp_path / "vasp_std", "#!/bin/sh\n")
    arguments = ("setup", "code", "--computer", "localhost", "--label", "new")
    assert run(*arguments, "--dft-executable", path, "--engine", "vasp").exit_code == 0
    assert orm.load_code("new@localhost").default_calc_job_plugin == "vasp.vasp"
    assert "--dft-executable PATH" in run(*arguments).output


def test_report_into_a_folder_that_is_not_there(graph, tmp_path):
    for option in ("--html", "-o"):
        line = refused("report", graph.pipeline.pk, option, tmp_path / "nowhere" / "r.html")
        assert "there is no folder" in line
        assert "create it first" in line


def test_several_data_sets_where_one_is_meant(graph):
    made = handmade.process(orm.WorkChainNode, handmade.WORKFLOWS + "dataset.alloy", "AlloyDatasetWorkChain")
    sets = {
        f"datasets__T300_{name}__{part}": StructureSetData(silicon(3, 3)).store()
        for name in ("wide", "narrow")
        for part in ("train", "validation")
    }
    handmade.finish(made, sets)
    common = ("--model", "cryingan", "--seed", 3, "--code", "dismai@localhost", "--dry-run")
    line = refused("launch", "benchmark", "--dataset", made.pk, *common)
    assert f"several data sets; say which, {made.pk}:NAME: T300_narrow, T300_wide" in line
    line = refused("launch", "benchmark", "--dataset", f"{made.pk}:T300_tall", *common)
    assert "has no data set 'T300_tall'; it has T300_narrow, T300_wide" in line


def test_report_as_text_and_pictures(graph, tmp_path):
    text = run("report", graph.pipeline.pk, "--format", "md").output
    assert text.startswith("# Dismai-Bench report\n")
    assert r"\begin{tabular}" in run("report", graph.pipeline.pk, "--format", "latex").output
    assert run("report", graph.pipeline.pk, "--format", "html").output.startswith("<!DOCTYPE html>")
    run("report", graph.pipeline.pk, "--format", "pdf", "-o", tmp_path / "r.pdf")
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    said = run("report", graph.pipeline.pk, "--format", "svg", "-o", tmp_path / "figures").output.splitlines()
    assert said[0] == f"wrote {tmp_path / 'figures' / '01-energies-after-relaxation.svg'}"
    assert len(said) == len(list((tmp_path / "figures").iterdir()))


def test_pictures_need_a_place_and_texts_a_file(graph, tmp_path):
    assert "--format svg: writes a folder" in refused("report", graph.pipeline.pk, "--format", "svg")
    assert "is a folder; give a file" in refused("report", graph.pipeline.pk, "--format", "md", "-o", tmp_path)
