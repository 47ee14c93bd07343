# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

# setup: build run guest lan
"""Measures the node's memory, guests not counted, under many connections. Needs root.

    Scripts/bench connections [--demo DIR] [--connections N] [--senders N] [--configuration debug|release]

DIR is a directory that `Scripts/demo --keep DIR` created; without it, the same files are made, which takes some
minutes. N connections (200) are open at the same time. Some of them (20) send the overlay as fast as the node takes it,
hold back its last byte until all have sent the others, and then disconnect. Goal: at most 256 MiB resident.
"""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from ..fixture import demo_files
from ..lan import lan
from ..processes import descendant, state
from ..programs import build, need_root, parser
from ..waiting import until

GOAL = 256


def measure(options: argparse.Namespace, demo: Path) -> int:
    """Prints the node's memory before and its peak; returns the exit status."""
    with lan(2, options.configuration) as lab:
        log = demo / "connections.log"
        settings = [f"CLOUDLET_HOME={demo}/home", "CLOUDLET_ADMISSION_PER_CLIENT=1000", "CLOUDLET_LOG_FORMAT=text"]
        words = lab.command(1, "env", *settings, lab.programs / "cloudlet-node")
        with open(log, "wb") as output:
            node = subprocess.Popen(words, stdout=output, stderr=output, start_new_session=True)
        if not until(lambda: b"node is ready" in log.read_bytes() or node.poll() is not None, 60) or node.poll():
            raise RuntimeError(f"the node does not start:\n{log.read_text()}")
        pid = descendant(node.pid, "cloudlet-node")
        before = state(pid).resident
        words = lab.module(2, "crowd", "10.77.0.2", demo / "face", options.connections, options.senders)
        clients = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
        if clients.returncode:
            raise RuntimeError(f"the clients failed: {clients.stderr}")
        peak = state(pid).peak / 1024
        print(
            f"{options.connections} connections, {options.senders} of them sending: "
            f"resident {before / 1024:.0f} MiB before, {peak:.0f} MiB at most (goal {GOAL})"
        )
        os.kill(pid, signal.SIGTERM)
        node.wait(timeout=60)
        return 0 if peak <= GOAL else 1


def main() -> int:
    """Runs the measurement with the given options."""
    arguments = parser(__doc__)
    arguments.add_argument("--demo", type=Path)
    arguments.add_argument("--connections", type=int, default=200)
    arguments.add_argument("--senders", type=int, default=20)
    arguments.add_argument("--configuration", default="release")
    options = arguments.parse_args()
    need_root()
    build(options.configuration, "cloudlet", "cloudlet-node")
    with demo_files(options.demo) as demo:
        return measure(options, demo)


if __name__ == "__main__":
    sys.exit(main())
