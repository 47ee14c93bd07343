# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Two hosts with a link of a given rate between them."""

import os
import re
import subprocess
from types import TracebackType

from .fixture import Fixture
from .programs import ENVIRONMENT, program, run


class Link:
    """Two hosts in network namespaces with a link between them, whose rate is given in Mbit/s (0: no limit). The node
    is on the first host, clients are on the second."""

    NODE = "10.99.0.1"

    def __init__(self, rate: int) -> None:
        self.names = [f"bs{os.getpid()}{side}" for side in "ab"]
        for name in self.names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        a, b = self.names
        run("ip", "link", "add", "eth0", "netns", a, "type", "veth", "peer", "name", "eth0", "netns", b)
        for index, name in enumerate(self.names):
            run("ip", "-n", name, "addr", "add", f"10.99.0.{index + 1}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
            run("ip", "-n", name, "route", "add", "224.0.0.0/4", "dev", "eth0")
            if rate:
                limit = ["rate", f"{rate}mbit", "burst", f"{max(16, rate // 4)}kb", "latency", "50ms"]
                run("tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", "tbf", *limit)

    def __enter__(self) -> "Link":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, env=ENVIRONMENT, check=False)

    def on(self, side: int) -> list[str]:
        """The command line that runs a command on a side."""
        return ["ip", "netns", "exec", self.names[side]]

    def shell(self, side: int, script: str) -> subprocess.Popen[bytes]:
        """Starts a shell script on a side."""
        return subprocess.Popen([*self.on(side), "sh", "-c", script], env=ENVIRONMENT)

    def find(self, fixture: Fixture, number: int = 0) -> subprocess.Popen[str]:
        """Starts client `number`, which sends the fixture's overlay to the node."""
        words = [*self.on(1), program("cloudlet-find"), "--node", self.NODE, "--host", self.NODE, "--timeout", "20"]
        words += ["--overlay", str(fixture.overlay), "--launch", "/bin/true"]
        environment = dict(ENVIRONMENT, CLOUDLET_HOME=str(fixture.root / f"client{number}"))
        return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def seconds(job: subprocess.Popen[str]) -> float:
    """Waits for the end of a client; returns the seconds until its VM ran, as the client reports them."""
    output, _ = job.communicate(timeout=600)
    match = re.search(r"running after ([0-9.]+) s", output)
    if not match:
        raise RuntimeError(output)
    return float(match[1])
