"""A PostgreSQL server in a folder of its own."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

from .processes import ServiceError, as_user, children_of, end, last_lines, pid_in, wait_for


def binaries() -> Path:
    """Return the folder of `initdb` and `pg_ctl`, which Debian does not put on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found += [Path(path) for path in [shutil.which("initdb")] if path]
    if not found:
        raise ServiceError("PostgreSQL is not installed (initdb)")
    return found[0].parent


class PostgreSQL:
    """The server.

    Args:
        folder: where all of it lies; made here.
        port: of the loopback interface.
    """

    superuser, password = "postgres", "of the tests"

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.data, self.log = folder / "data", folder / "log"
        self.bin = binaries()

    def _run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = as_user("postgres", self.bin / program, *arguments)
        # output to a file: the server would keep a pipe open
        with (self.folder / "commands").open("a") as output:
            return subprocess.run(command, cwd="/", stdout=output, stderr=output, text=True, check=False)

    def start(self) -> None:
        """Start the server, made anew where it is not there, and wait until it answers."""
        if not (self.data / "PG_VERSION").is_file():
            self.folder.mkdir(parents=True)
            subprocess.run(["chmod", "777", self.folder], check=True)
            (self.folder / "password").write_text(self.password)
            self._run(
                "initdb", "-D", self.data, "-U", self.superuser, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C",
                f"--pwfile={self.folder / 'password'}", "--no-sync",
            )  # fmt: skip
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        started = self._run("pg_ctl", "-w", "-t", "120", "-D", self.data, "-l", self.log, "-o", options, "start")
        if started.returncode:
            logs = (last_lines(self.folder / "commands"), last_lines(self.log))
            raise ServiceError("\n".join(["PostgreSQL did not start", *logs]))

    @property
    def pid(self) -> int | None:
        """The number of its first process."""
        return pid_in(self.data / "postmaster.pid")

    def stop(self) -> None:
        """End it, with all connections."""
        if self.pid is not None:
            self._run("pg_ctl", "-w", "-m", "fast", "-D", self.data, "stop")

    def kill(self) -> None:
        """End it and its processes as a loss of power would."""
        pid = self.pid
        if pid is not None:
            for one in (pid, *children_of(pid)):
                end(one, signal.SIGKILL)
            # a new one takes a zombie of that number for a server
            wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the killed server is still there", 30)

    def sql(self, *statements: str, database: str = "postgres") -> str:
        """Execute statements as the superuser; returns what they print."""
        where = f"postgresql://{self.superuser}:{self.password.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"
        words = [word for statement in statements for word in ("-c", statement)]
        command = [str(self.bin / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *words, where]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServiceError(done.stderr)
        return done.stdout.strip()
