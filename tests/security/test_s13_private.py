"""S13: what else goes into an archive is printed, secrets marked and not repeated."""

import pytest
from aiida import orm
from aiida.common.links import LinkType
from click.testing import CliRunner
from support import handmade, handnodes

from aiida_dismai.cli import main
from aiida_dismai.cli.archive.private import private_content


@pytest.fixture(scope="module")
def graph(aiida_profile, tmp_path_factory):
    return handmade.fresh(aiida_profile, tmp_path_factory.mktemp("weights"))


@pytest.fixture
def job(graph, tmp_path):
    """A job whose inputs say more than they should."""
    (tmp_path / "run.log").write_text("started in /home/jane.doe/secret-project/run by jane@example.org\n")
    inputs = {
        "code": graph.code,
        "notes": orm.Dict({"api_key": "0123456789abcdef", "site_key": "xyz1234"}),
        "log": orm.SinglefileData(tmp_path / "run.log"),
    }
    node = orm.CalcJobNode(process_type=handmade.CALCULATIONS + "relax")
    node.computer = graph.code.computer
    node.set_option("prepend_text", "export WANDB_API_KEY=0a1b2c3d4e5f\nmodule load x")
    node.set_option("environment_variables", {"HF_TOKEN": "hf_abcdefghijklmnopqrstuv"})
    for name, value in inputs.items():
        node.base.links.add_incoming(value if value.is_stored else value.store(), LinkType.INPUT_CALC, name)
    node.store()
    handnodes.end(node)
    return node


def test_s13_create_prints_what_is_private_and_does_not_repeat_secrets(graph, job, tmp_path):
    result = CliRunner().invoke(main, ["archive", "create", str(job.pk), str(tmp_path / "a.aiida")])
    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    for text in ("WANDB_API_KEY", "HF_TOKEN", "api_key", "jane@example.org", "/home/jane.doe/secret-project"):
        assert text in shown, text
    assert job.user.email in shown
    assert job.computer.hostname in shown
    assert "look secret" in shown
    for secret in ("0a1b2c3d4e5f", "hf_abcdefghijklmnopqrstuv", "0123456789abcdef"):
        assert secret not in result.output
    assert "site_key" not in shown


SECRETS = [
    "Authorization: Bearer abcdefghijklmnopqrstuvwxyz",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "https://user:letmein@example.org/x",
    "AKIAABCDEFGHIJKLMNOP",
    "PASSWORD=hunter22",
    "my_secret: 'abcd1234'",
]


@pytest.mark.parametrize("text", SECRETS)
def test_s13_forms_of_secrets(aiida_profile, text):
    found = [item for item in private_content([orm.Str(f"first line\n{text}\n").store()]) if item.warning]
    assert found


def test_s13_science_looks_like_no_secret(graph):
    found = [item for item in private_content([graph.outputs["train"], *graph.crystals]) if item.warning]
    assert found == []
