"""Whole workflows on PostgreSQL, RabbitMQ and Slurm, through the daemon, by the commands of a user."""

import pytest

pytestmark = [pytest.mark.services, pytest.mark.slow]
CODE = ("--code", "dismai@cluster")
SMALL = ("--set", "generator.parameters.hyperparameters.epochs=20", "--set", "n_models=2")


def test_alloys_to_the_table_with_gpus(production):
    """The data sets, then the benchmark: its jobs are granted a GPU each, by Slurm."""
    made = production.finished(production.launch("alloys", "--seed", 1, "--protocol", "demo", *CODE))
    pk = production.launch(
        "benchmark", "--dataset", f"{made.pk}:T1500_narrow", "--model", "cryingan", "--seed", 1, "--protocol", "demo",
        "--gpus", 1, *SMALL, *CODE,
    )  # fmt: skip
    node = production.finished(pk)
    assert node.outputs.summary["n_models"] == 2
    training = [job for job in production.jobs(node) if job.process_label == "TrainGeneratorCalculation"]
    assert len(training) == 2
    for job in training:
        assert job.outputs.retrieved.get_object_content("_scheduler-stdout.txt").strip() in (
            "GPUs granted: 0",
            "GPUs granted: 1",
        )
        assert "#SBATCH --gres=gpu:1" in job.base.repository.get_object_content("_aiidasubmit.sh")
    # what has no use for one leaves them to others
    for job in production.jobs(node):
        if job.process_label in ("DescribeCalculation", "MetricsCalculation"):
            assert "granted: none" in job.outputs.retrieved.get_object_content("_scheduler-stdout.txt")
    assert "metrics (alloy): mean over 2 models" in " ".join(production.dismai("report", pk).split())


def test_amorphous_silicon(production):
    """Networks in chunks, relaxed, measured by the gate, split."""
    pk = production.launch("amorphous", "--seed", 1, "--protocol", "demo", *CODE)
    node = production.finished(pk)
    assert len(node.outputs.dataset) == 10
    assert "granted: none" in production.jobs(node)[0].outputs.retrieved.get_object_content("_scheduler-stdout.txt")
