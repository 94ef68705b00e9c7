"""A RabbitMQ server in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from .processes import ServiceError, children_of, end, is_open, wait_for

#: Debian's wrappers in /usr/sbin change the user; these are the scripts themselves.
SCRIPTS = Path("/usr/lib/rabbitmq/bin")


class RabbitMQ:
    """The server, with its own Erlang name server.

    Args:
        folder: where all of it lies; made here.
        ports: of the server, of its distribution and of the name server.
        consumer_timeout: how long a message may be held, in milliseconds.
    """

    def __init__(self, folder: Path, ports: tuple[int, int, int], consumer_timeout: int = 36_000_000_000) -> None:
        self.folder = folder
        self.port, self.distribution, self.epmd = ports
        self.consumer_timeout = consumer_timeout
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What its scripts are told where everything is."""
        place = self.folder
        return os.environ | {
            "HOME": str(place),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": "dismai@localhost",
            "RABBITMQ_MNESIA_BASE": str(place / "database"),
            "RABBITMQ_LOG_BASE": str(place / "log"),
            "RABBITMQ_CONFIG_FILE": str(place / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "plugins"),
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.epmd),
            # no waiting in busy loops: the machine is small
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none",
        }

    def start(self) -> None:
        """Start the server and wait until it listens."""
        if not (SCRIPTS / "rabbitmq-server").is_file():
            raise ServiceError("RabbitMQ is not installed")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nloopback_users.guest = true\n"
            f"consumer_timeout = {self.consumer_timeout}\n"
        )
        output = self.folder / "output"
        with output.open("ab") as handle:
            self.process = subprocess.Popen(
                [SCRIPTS / "rabbitmq-server"], env=self.environment, cwd="/", stdin=subprocess.DEVNULL,
                stdout=handle, stderr=handle, start_new_session=True,
            )  # fmt: skip
        wait_for(lambda: is_open(self.port) or not self.alive, "RabbitMQ does not listen", logs=[output])
        if not self.alive:
            wait_for(lambda: False, "RabbitMQ did not start", 0.0, [output])

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """End the server in order, and its name server."""
        self._end(signal.SIGTERM, 60.0)
        environment = self.environment
        for epmd in ("epmd", *Path("/usr/lib/erlang").glob("erts-*/bin/epmd")):
            command = [str(epmd), "-port", str(self.epmd), "-kill"]
            try:
                subprocess.run(command, env=environment, capture_output=True, check=False, timeout=10)
                break
            except (FileNotFoundError, subprocess.TimeoutExpired):
                continue

    def kill(self) -> None:
        """End the server as a loss of power would."""
        self._end(signal.SIGKILL, 0.0)

    def _end(self, number: int, seconds: float) -> None:
        if self.process is None:
            return
        below = children_of(self.process.pid)
        if self.alive:
            self.process.send_signal(number)
            try:
                self.process.wait(max(seconds, 1.0))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in below:
            end(pid, signal.SIGKILL)
        self.process = None

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl` and return what it prints."""
        done = subprocess.run(
            [SCRIPTS / "rabbitmqctl", *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServiceError(done.stderr or done.stdout)
        return done.stdout
