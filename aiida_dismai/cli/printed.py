"""The commands that `aiida-dismai setup` prints, for a profile and for a cluster: complete, to be run as they are."""

from __future__ import annotations

import shlex
from pathlib import Path

#: What RabbitMQ is to be told, in milliseconds: AiiDA holds a message as long as its process runs.
CONSUMER_TIMEOUT = 36_000_000_000

TRIAL = """\
To try things out (SQLite, no services to install; also makes the computer 'localhost'):

    verdi presto -n -p {name} --use-zeromq
    verdi daemon start 2
"""

PRODUCTION = """\
For production (PostgreSQL and RabbitMQ, many thousands of jobs). On the machine of PostgreSQL, a role and a database
of their own, in UTF-8; the first command asks for the new PASSWORD:

    sudo -u postgres createuser --pwprompt {role}
    sudo -u postgres createdb --owner {role} --encoding UTF8 --template template0 --locale C {role}

On the machine of RabbitMQ, in /etc/rabbitmq/rabbitmq.conf, then restart it. Its default of 30 minutes is less than a
training takes, and a process whose message times out is run twice or lost:

    consumer_timeout = {timeout}

The profile; give your own EMAIL, FIRST, LAST, INSTITUTION and PASSWORD:

    verdi profile setup core.psql_dos -n -p {name} --set-as-default --broker core.rabbitmq \\
        --email EMAIL --first-name FIRST --last-name LAST --institution INSTITUTION \\
        --database-hostname localhost --database-port 5432 --database-name {role} \\
        --database-username {role} --database-password PASSWORD --repository-uri {repository}
    verdi daemon start 4

RabbitMQ at another host or port, or with another user:

    verdi profile configure-broker core.rabbitmq {name} -n -f --broker-protocol amqp --broker-username guest \\
        --broker-password guest --broker-host localhost --broker-port 5672 --broker-virtual-host ''
"""

FOLDER = """\
AIIDA_PATH=/some/folder before these commands keeps everything in that folder instead of ~/.aiida. `aiida-dismai doctor`
tells what is missing.
"""

CLUSTER = """\
A Slurm cluster that you reach with `ssh {alias}` without a password (a `Host {alias}` in ~/.ssh/config, its key in
~/.ssh/known_hosts: connect once by hand):

    verdi computer setup -n -L {name} -H {hostname} -T core.ssh_async -S core.slurm \\
        -w {workdir} --mpirun-command 'srun -n {{tot_num_mpiprocs}}' --mpiprocs-per-machine 16
    verdi computer configure core.ssh_async {name} -n --host {alias}
    verdi computer test {name}

Queue, account and GPUs are options of each job, for instance in a file for `aiida-dismai launch --options`:

    queue_name: gpu
    account: my-project
    max_wallclock_seconds: 86400
    custom_scheduler_commands: "#SBATCH --gres=gpu:1"
"""


def profile_commands(name: str, folder: Path) -> str:
    """Return what makes a profile.

    Args:
        name: of the profile, of the PostgreSQL role and of its database.
        folder: AiiDA's, where the repository of files goes.
    """
    repository = (folder / "repository" / name).as_uri()
    words = {"name": shlex.quote(name), "role": shlex.quote(name), "repository": shlex.quote(repository)}
    return "\n".join((TRIAL.format(**words), PRODUCTION.format(timeout=CONSUMER_TIMEOUT, **words), FOLDER))


def cluster_commands(name: str, alias: str | None, hostname: str | None, workdir: str | None) -> str:
    """Return what makes a computer that is reached over SSH.

    Args:
        name: of the computer.
        alias: with which `ssh` reaches it; None is the name.
        hostname: its real name, kept with the computer; None is the alias.
        workdir: scratch folder for jobs on it.
    """
    alias = alias or name
    return CLUSTER.format(
        name=shlex.quote(name),
        alias=shlex.quote(alias),
        hostname=shlex.quote(hostname or alias),
        workdir=shlex.quote(workdir or "/scratch/{username}/aiida"),
    )
