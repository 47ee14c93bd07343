# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

# setup: build run guest lan
"""Kills node, client, emulator and avahi with SIGKILL in each stage of sessions, and checks the remains. Needs root.

    Scripts/soak kills [--demo DIR] [--times N] [--seed N] [--victims client,emulator,node,avahi] [--stages receive,...]
                       [--configuration debug|release]

DIR is a directory that `Scripts/demo --keep DIR` created, with base VM, overlay and CLOUDLET_HOME; without it, the same
files are made first. The node's log shows the stages. A kill happens at a random time of a stage; it counts only if the
stage has not ended meanwhile and there was a process to kill. After it (a dead node or avahi is started again), no
emulator, scratch file, open port or session may remain; the client of a dead emulator must have received an error, the
client of a dead avahi an answer; and the next session must work. At the end, the files of the base VM must be
unchanged, and the node must not have more files open. The node has no warm VMs, so that all remains are visible.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..fixture import PORT, demo_files
from ..lan import Lan, lan
from ..processes import command_line, executable, with_command_line
from ..programs import CHECKOUT, Word, build, need_root, parser
from ..waiting import until

NODE, CLIENT = 1, 2
SETTINGS = (
    *("CLOUDLET_SESSION_LEASE=1", "CLOUDLET_SESSION_COMEBACK=1", "CLOUDLET_STANDBY_MACHINES=0"),
    *("CLOUDLET_LOG_LEVEL=debug", "CLOUDLET_LOG_FORMAT=json", "CLOUDLET_HYPERVISOR_ACCELERATOR=tcg"),
)

Line = dict[str, str]

# The stages and the log line with which each begins; the first begins with the client. "receive" includes the start of
# the emulator and the copy of the base's memory; "resume" lasts until the application answers.
STAGES: dict[str, Callable[[Line], bool] | None] = {
    "search": None,
    "connect": lambda line: line["message"] == "session created",
    "receive": lambda line: line.get("stage") == "receive and place",
    "load state": lambda line: line.get("stage") == "load state",
    "resume": lambda line: line.get("stage") == "resume",
    "run": lambda line: line["message"] == "VM runs",
    "end": lambda line: line.get("stage") == "end VM",
    "over": lambda line: line["message"] == "session ended",
}
NAMES = list(STAGES)


class Log:
    """The node's log, read while it grows."""

    def __init__(self, path: Path) -> None:
        self.path, self.rest = path, b""
        path.touch()
        self.position = path.stat().st_size

    def lines(self) -> list[Line]:
        """The lines since the last call."""
        with open(self.path, "rb") as file:
            file.seek(self.position)
            new = file.read()
        self.position += len(new)
        *whole, self.rest = (self.rest + new).split(b"\n")
        return [json.loads(line) for line in whole if line.startswith(b"{")]


class Progress:
    """Follows the stages of a session by the log from now on."""

    def __init__(self, path: Path) -> None:
        self.log, self.began = Log(path), {"search": time.monotonic()}

    def look(self) -> str:
        """The last stage that has begun."""
        for line in self.log.lines():
            for name, begins in STAGES.items():
                if begins and begins(line):
                    self.began.setdefault(name, time.monotonic())
        return max(self.began, key=NAMES.index)

    def wait(self, name: str, limit: float = 30) -> bool:
        """Waits for the beginning of a stage; returns whether it began."""
        return until(lambda: NAMES.index(self.look()) >= NAMES.index(name), limit, interval=0.0003)


class Client:
    """A client of the node, with the demo's overlay."""

    def __init__(self, words: list[str]) -> None:
        self.job = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.output = self.errors = ""

    def finish(self, limit: float = 70) -> bool:
        """Waits for its end; returns whether it ended. A client that hangs is killed."""
        try:
            self.output, self.errors = self.job.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(self.job.pid, signal.SIGKILL)
            self.job.communicate()
            return False
        return True

    def complaint(self) -> str | None:
        """What is wrong with a client that has ended; None when its application answered."""
        if self.job.returncode == 0 and '"app":"face"' in self.output:
            return None
        return f"failed: {self.errors.strip().splitlines()[-1:]}"


class Site:
    """A node on host 1 and clients on host 2."""

    node: subprocess.Popen[bytes]

    def __init__(self, lab: Lan, demo: Path) -> None:
        self.lab, self.demo = lab, demo
        self.home, self.log = demo / "home", demo / "kills.log"

    def start_node(self) -> None:
        """Starts the node, and waits until it is ready."""
        log = Log(self.log)
        words = self.lab.command(
            NODE, "env", f"CLOUDLET_HOME={self.home}", *SETTINGS, self.lab.programs / "cloudlet-node"
        )
        with open(self.log, "ab") as output:
            self.node = subprocess.Popen(words, stdout=output, stderr=output, start_new_session=True)
        if not until(lambda: any(line["message"] == "node is ready" for line in log.lines()), 30):
            raise RuntimeError(f"the node does not start; see {self.log}")

    def client(self) -> Client:
        """Starts a client."""
        words: list[Word] = ["env", f"CLOUDLET_HOME={self.demo}/kills-client", "timeout", "60"]
        words += [self.lab.programs / "cloudlet-find", "--protocol", "ssdp", "--timeout", "10"]
        words += ["--overlay", self.demo / "face", "--launch", CHECKOUT / "Scripts/guest/face-client"]
        return Client(self.lab.command(CLIENT, *words))

    def victims(self, kind: str) -> list[int]:
        """The processes of one kind."""
        if kind == "emulator":
            return with_command_line("qemu-system", str(self.home))
        name = {"node": "cloudlet-node", "client": "cloudlet-find", "avahi": "avahi-daemon"}[kind]
        return [pid for pid in with_command_line(name) if self.is_of_lab(pid, name)]

    def is_of_lab(self, pid: int, name: str) -> bool:
        """Whether the process runs this program on a host of this lab."""
        try:
            network = os.readlink(f"/proc/{pid}/ns/net")
            hosts = [os.readlink(f"/proc/{self.lab.init(host)}/ns/net") for host in (NODE, CLIENT)]
            return network in hosts and executable(pid) == name
        except OSError:
            return False

    def on_node(self, *words: Word) -> str:
        """Runs a program on the node's host; returns its output."""
        command = self.lab.command(NODE, "env", f"CLOUDLET_HOME={self.home}", *words)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout

    def left(self) -> list[str]:
        """The remains of a dead session: emulators, scratch files, open ports, sessions in the registry."""
        found = [f"emulator {pid}" for pid in self.victims("emulator")]
        found += [str(path) for path in self.home.glob("hypervisor/*/work/*")]
        if found:
            return found
        found += [f"port: {line}" for line in self.on_node("ss", "-Hltn", f"sport = :{PORT}").splitlines()]
        listed = self.on_node(self.lab.programs / "cloudlet", "list-session", "--format", "json")
        return found + [f"session: {session}" for session in json.loads(listed)]

    def files(self) -> int:
        """The number of files that the node has open."""
        (pid,) = self.victims("node")
        return len(os.listdir(f"/proc/{pid}/fd"))

    def end_node(self) -> None:
        """Ends the node, and waits for it."""
        for pid in self.victims("node"):
            os.kill(pid, signal.SIGTERM)
        self.node.wait(timeout=30)


def hashes(demo: Path) -> dict[str, str]:
    """SHA-256 of the base VM's files."""
    result = {}
    for path in sorted(demo.glob("guest.*")):
        with open(path, "rb") as file:
            result[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return result


def lengths(site: Site) -> dict[str, float]:
    """Seconds that each stage takes in sessions without kills, the minimum of three."""
    sessions = [undisturbed(site) for _ in range(3)]
    return {name: min(length[name] for length in sessions) for name in sessions[0]}


def undisturbed(site: Site) -> dict[str, float]:
    """Seconds that each stage takes in a session without kills."""
    progress = Progress(site.log)
    client = site.client()
    complete = progress.wait("over")
    client.finish()
    if not complete:
        raise RuntimeError(f"the first session does not come to its end; see {site.log}")
    begins = [progress.began[name] for name in NAMES]
    return {name: after - begin for name, begin, after in zip(NAMES, begins, begins[1:], strict=False)}


def one(site: Site, kind: str, stage: str, length: float) -> tuple[bool, str | None]:
    """Runs a session with a kill; returns whether the kill happened, and what is wrong afterwards."""
    progress = Progress(site.log)
    client = site.client()
    # Find the victims in advance: a stage may end in the milliseconds that finding them takes.
    progress.wait(NAMES[max(0, NAMES.index(stage) - 1)])
    known = site.victims(kind)
    came = progress.wait(stage)
    time.sleep(random.uniform(0, length))
    victims = [pid for pid in known if command_line(pid)] or site.victims(kind)
    hit = came and bool(victims) and progress.look() == stage
    if hit:
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        if kind == "node":
            site.node.wait()
            site.start_node()
    if not client.finish():
        return hit, "the client hangs"
    if hit and kind == "avahi":
        site.lab.script("avahi-start", NODE)
        site.lab.script("avahi-start", CLIENT)
    if site.node.poll() is not None:
        return hit, f"the node ended with {site.node.returncode}"
    wrong = client.complaint()
    if wrong and (not hit or kind == "avahi"):
        return hit, f"the session {wrong}"
    if wrong and kind == "emulator" and "error: " not in client.errors and stage != "run":
        return hit, f"the client did not learn of it, and {wrong}"
    return hit, aftermath(site) if hit else None


def aftermath(site: Site) -> str | None:
    """What is wrong after a kill; None when nothing is."""
    if not until(lambda: not site.left(), 10):
        return f"left: {', '.join(site.left())}"
    after = site.client()
    if not after.finish():
        return "the next session hangs"
    wrong = after.complaint()
    return f"the next session {wrong}" if wrong else None


def cell(site: Site, kind: str, stage: str, length: float, times: int) -> int:
    """Kills one kind of victim in one stage the given number of times; returns the number of failures."""
    bad = hits = 0
    for _ in range(times * 6):
        if hits == times:
            break
        hit, wrong = one(site, kind, stage, length)
        hits += hit
        if wrong:
            bad += 1
            print(f"  {kind} killed in {stage}: {wrong}", flush=True)
            if site.node.poll() is not None:
                site.start_node()
    few = "" if hits == times else f" (of {times} wanted)"
    print(f"{kind:9} {stage:11} {hits} kills{few}, {bad} with something left or broken", flush=True)
    return bad + (hits < times)


def kill_all(site: Site, options: argparse.Namespace) -> int:
    """Kills every victim in every stage; returns the number of failures."""
    failures = 0
    site.start_node()
    site.client().finish()
    length = lengths(site)
    print("a session:", ", ".join(f"{name} {seconds:.3f} s" for name, seconds in length.items()), flush=True)
    files = site.files()
    for kind in options.victims.split(","):
        for stage in options.stages.split(","):
            if kind == "emulator" and stage in ("search", "connect"):
                continue
            # An emulator lives only through the beginning of the end of its session.
            part = 0.02 if (kind, stage) == ("emulator", "end") else 1
            failures += cell(site, kind, stage, length[stage] * part, options.times)
        now = site.files()
        print(f"the node has {now} files open, at first {files}", flush=True)
        failures += now > files + 4
    site.end_node()
    return failures


def soak(options: argparse.Namespace, demo: Path) -> int:
    """Runs the kills with the given options; returns the exit status."""
    before = hashes(demo)
    with lan(2, options.configuration) as lab:
        failures = kill_all(Site(lab, demo), options)
    if hashes(demo) != before:
        print("the base VM's files have changed")
        failures += 1
    else:
        print("the base VM's files are what they were")
    return 1 if failures else 0


def main() -> int:
    """Runs the kills with the given options."""
    arguments = parser(__doc__)
    arguments.add_argument("--demo", type=Path)
    arguments.add_argument("--times", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--victims", default="client,emulator,node,avahi")
    arguments.add_argument("--stages", default=",".join(NAMES[:-1]))
    arguments.add_argument("--configuration", default="release")
    options = arguments.parse_args()
    random.seed(options.seed)
    need_root()
    build(options.configuration, "cloudlet", "cloudlet-node", "cloudlet-find")
    with demo_files(options.demo) as demo:
        return soak(options, demo)


if __name__ == "__main__":
    sys.exit(main())
