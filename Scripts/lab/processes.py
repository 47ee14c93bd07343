# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Values of processes, read from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessState:
    """The resources of a process: current and peak resident memory in KiB, open files, threads."""

    resident: int
    peak: int
    files: int
    threads: int


def state(pid: int) -> ProcessState:
    """Reads the current values of a process."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return ProcessState(
        resident=int(fields["VmRSS"].split()[0]),
        peak=int(fields["VmHWM"].split()[0]),
        files=len(os.listdir(f"/proc/{pid}/fd")),
        threads=int(fields["Threads"]),
    )


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def command_line(pid: int | str) -> str:
    """The command line of a process; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def with_command_line(*words: str) -> list[int]:
    """The processes whose command line contains all these words, except this process."""
    found = []
    for entry in Path("/proc").iterdir():
        line = command_line(entry.name) if entry.name.isdigit() else ""
        if line and int(entry.name) != os.getpid() and all(word in line for word in words):
            found.append(int(entry.name))
    return found


def executable(pid: int) -> str:
    """The name of the program that a process runs; empty when it has ended."""
    try:
        return Path(os.readlink(f"/proc/{pid}/exe")).name
    except OSError:
        return ""


def descendant(pid: int, name: str) -> int:
    """The process that runs the program `name`, found by following the only child of each process from `process`
    down."""
    while executable(pid) != name:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not children:
            raise RuntimeError(f"no process runs {name}")
        pid = int(children[0])
    return pid
