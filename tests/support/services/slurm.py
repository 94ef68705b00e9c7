"""Slurm on one node, this machine, without accounting and with two GPUs that are none."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

from .processes import ServiceError, end, pid_in, wait_for

CONFIGURATION = """\
ClusterName=dismai
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=2,sched_min_interval=0
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
GresTypes=gpu
DefMemPerCPU={per_core}
KillWait=2
MinJobAge=300
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=20
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES DefaultTime=10 MaxTime=60 State=UP
"""
#: The services, in the order in which they are started.
DAEMONS = ("munged", "slurmctld", "slurmd")


class Slurm:
    """Controller, node and their authentication.

    Args:
        folder: where all of it lies; made here.
        ports: of the controller and of the node.
        cores: that the node says it has.
    """

    def __init__(self, folder: Path, ports: tuple[int, int], cores: int = 4) -> None:
        self.folder, self.ports, self.cores = folder, ports, cores
        self.host = socket.gethostname().partition(".")[0]
        self.configuration = folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's commands need to find this one."""
        return {"SLURM_CONF": str(self.configuration)}

    def _configure(self) -> None:
        for name in ("state", "spool", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        key = self.folder / "munge.key"
        if not key.is_file():
            key.touch(mode=0o600)
            key.write_bytes(os.urandom(128))
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
        user = "root" if os.geteuid() == 0 else os.environ.get("USER", str(os.geteuid()))
        self.configuration.write_text(
            CONFIGURATION.format(
                host=self.host, controller=self.ports[0], node=self.ports[1], folder=self.folder, user=user,
                cores=self.cores, memory=memory, per_core=memory // self.cores,
            )
        )  # fmt: skip
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")  # unused, but asked for
        for index in (0, 1):
            device = self.folder / f"nvidia{index}"
            if not device.exists():
                try:  # CUDA_VISIBLE_DEVICES is set for character devices only: /dev/null again
                    os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
                except PermissionError:
                    device.touch()
        (self.folder / "gres.conf").write_text(f"Name=gpu File={self.folder}/nvidia[0-1]\n")

    def start(self) -> None:
        """Start what does not run, and wait until the node takes jobs."""
        self._configure()
        for name in DAEMONS:
            self.start_one(name)
        wait_for(
            self._ready, "Slurm's node is not ready", 60.0, [self.folder / "log/slurmctld.log", self._log("slurmd")]
        )

    def start_one(self, name: str) -> None:
        """Start one of the daemons unless it runs."""
        if self.pid(name) is not None:
            return
        command = [name]
        if name == "munged":
            place = self.folder
            for old in place.glob("munge.sock*"):
                old.unlink()
            command += [
                "--num-threads=2", f"--key-file={place}/munge.key", f"--socket={place}/munge.sock",
                f"--pid-file={place}/munged.pid", f"--log-file={self._log(name)}", f"--seed-file={place}/munge.seed",
            ]  # fmt: skip
            if os.geteuid() != 0:
                command.append("--force")  # of a folder that is not root's
        else:
            (self.folder / f"{name}.pid").unlink(missing_ok=True)
        done = subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServiceError(f"{name} did not start: {done.stderr}")
        wait_for(lambda: self.pid(name) is not None, f"{name} has no pid file", 30.0, [self._log(name)])

    def _log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    def _ready(self) -> bool:
        state = self.command("sinfo", "-h", "-o", "%t", check=False).strip()
        if state.startswith(("down", "drain")):
            self.command("scontrol", "update", f"nodename={self.host}", "state=resume", check=False)
        return state in ("idle", "mix", "alloc")

    def command(self, *words: str, check: bool = True) -> str:
        """Run one of Slurm's commands and return what it prints."""
        done = subprocess.run(words, env=os.environ | self.environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise ServiceError(f"{' '.join(words)}: {done.stderr}")
        return done.stdout

    def pid(self, name: str) -> int | None:
        """Return the number of one of the daemons' processes; None where it does not run."""
        return pid_in(self.folder / f"{name}.pid")

    def kill(self, name: str) -> None:
        """End one of the daemons as a crash would."""
        end(self.pid(name), signal.SIGKILL)

    def stop(self) -> None:
        """Cancel the jobs and end the daemons."""
        if self.pid("slurmctld") is not None and self.pid("munged") is not None:
            self.command("scancel", "--full", "-p", "main", check=False)
            with suppress(ServiceError):
                wait_for(lambda: not self.command("squeue", "-h", check=False).strip(), "jobs do not end", 15.0)
        for name in reversed(DAEMONS):
            end(self.pid(name))
