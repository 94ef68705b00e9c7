"""S7: codes of an archive are not chosen by themselves."""

import pytest
from aiida import orm

from aiida_dismai.cli.launching import dismai_code
from aiida_dismai.cli.profiles import described, is_imported
from aiida_dismai.engine.errors import BadInput


@pytest.fixture(scope="module", autouse=True)
def profile(aiida_profile):
    return aiida_profile


@pytest.fixture
def computer(tmp_path):
    """Return a factory of computers, by scheduler and by folder of the jobs."""

    def make(scheduler, workdir="work", label=None):
        found = orm.Computer(
            label=label or f"{scheduler}-{tmp_path.name}",
            hostname="localhost",
            transport_type="core.local",
            scheduler_type=f"core.{scheduler}",
            workdir=str(tmp_path / workdir),
        ).store()
        found.set_default_mpiprocs_per_machine(1)
        return found.configure() and found

    return make


def test_s7_codes_of_an_archive_are_not_chosen_by_themselves(aiida_profile_clean, computer):
    machine = computer("direct")
    stranger = orm.User(email="stranger@example.org").store()
    theirs = orm.InstalledCode(
        computer=machine, filepath_executable="/tmp/x/dismai", label="theirs", default_calc_job_plugin="dismai.relax"
    )
    theirs.user = stranger
    theirs.store()
    grouped = orm.InstalledCode(
        computer=machine, filepath_executable="/tmp/y/dismai", label="grouped", default_calc_job_plugin="dismai.relax"
    ).store()
    group = orm.ImportGroup(label="import").store()
    group.add_nodes(grouped)
    assert is_imported(theirs)
    assert is_imported(grouped)
    with pytest.raises(BadInput, match=rf"came with an archive .*PK {theirs.pk}, /tmp/x/dismai, imported"):
        dismai_code(None)
    mine = orm.InstalledCode(
        computer=machine, filepath_executable="/opt/dismai", label="mine", default_calc_job_plugin="dismai.relax"
    ).store()
    assert dismai_code(None).pk == mine.pk
    # the same label: ours is meant, and where both are ours they are shown
    named = orm.InstalledCode(
        computer=machine, filepath_executable="/opt/z/dismai", label="grouped", default_calc_job_plugin="dismai.relax"
    ).store()
    assert dismai_code("grouped").pk == named.pk
    assert "imported" not in described(named)
