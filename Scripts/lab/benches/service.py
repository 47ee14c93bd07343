# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

# setup: build run guest lan bench
"""Measures the node as a service, in comparison with other methods in the same run.

    Scripts/bench service [restore] [link] [many] [--memory MIB,...] [--rates MBIT,...] [--clients N] [--runs N]
                          [--payload MIB] [--json FILE]

    restore  time from the start of a session to the running VM and to the first answer of its application, with a warm
             VM (the default of a node; overlays of both compressions) and without; in comparison with `virsh restore`
             of the same VM saved by `virsh save`. For each memory size (256,1024,4096), 60 % of the memory is in use.
             The overlay is on the same machine.
    link     an overlay over a link of each rate (38,100,1000 Mbit/s; tc tbf between network namespaces): cloudlet-find
             in comparison with the serial script `nc | xz -d | xdelta3 -d | virsh restore`; efficiency is the wall time
             to the running VM / max(bytes/link, CPU/cores)
    many     N clients (10) at the same time and N in a row, without warm VMs: total time, and slowest / fastest; at the
             same time with as many warm VMs; and at the same time with the large overlay over one shared link of
             200 Mbit/s

Needs root. Prints the measurements, and how busy the machine was.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ..fixture import PORT, Fixture, ask, scratch
from ..link import Link, seconds
from ..node import Node
from ..programs import build, need, need_root, parser, program, run, stop
from ..protocol import Overlay, Session
from ..virsh import PeerVM

Found = dict[str, object]
WITHOUT_WARM_VMS = {"CLOUDLET_STANDBY_MACHINES": "0"}


def median(values: Iterable[float]) -> float:
    """The median, rounded to a millisecond."""
    return round(statistics.median(values), 3)


def session(overlay: Overlay) -> tuple[float, float]:
    """Seconds from the start of a session to the running VM and to the first answer of its application."""
    start = time.monotonic()
    session = Session("127.0.0.1")
    session.run(overlay)
    runs = time.monotonic() - start
    answers = ask("127.0.0.1", PORT) - start
    session.finish()
    return runs, answers


def touch_memory(mebibytes: int) -> None:
    """Uses memory for a moment: memory that a virtual machine returned to its host while it was idle is slow at
    first."""
    subprocess.run([sys.executable, "-c", f"len(b'x' * ({mebibytes} << 20))"], check=True)


def restore(fixture: Fixture, runs: int) -> Found:
    """Seconds to the running VM and to the first answer, for this project and for virsh. Each round contains one run of
    each kind, so that all see the same state of the machine."""
    base_memory = fixture.disk.with_suffix(".base-mem")
    found: Found = {
        "memory_mib": fixture.memory,
        "overlay_bytes": fixture.size,
        "base_memory_bytes": base_memory.stat().st_blocks * 512,
    }
    plain = Overlay(fixture.overlay)
    overlays = {"standby": plain, "standby_zstd": Overlay(fixture.with_overlay(compression="zstd").overlay)}
    times: dict[str, list[tuple[float, ...]]] = {}
    peer = PeerVM(fixture)
    try:
        found["save_file_bytes"] = peer.save()
        with Node(fixture, options=["--interface", "lo"]) as node:
            for number in range(runs):
                # Alternate the order of the kinds: a run after virsh finds the machine in another state.
                for position, name in enumerate(sorted(overlays, reverse=number % 2 == 1)):
                    os.sync()
                    node.wait_for_warm_vm(number * len(overlays) + position + 1)
                    time.sleep(1)
                    touch_memory(fixture.memory)
                    to_run, to_answer = session(overlays[name])
                    placed = to_answer - node.stage("receive and place")
                    times.setdefault(name, []).append((to_run, to_answer, placed))
                node.wait_for_warm_vm((number + 1) * len(overlays) + 1)
                time.sleep(1)
                # The first run benefits virsh: afterwards all its files are in the page cache.
                peer.restore()
                peer.save()
                touch_memory(fixture.memory)
                times.setdefault("virsh", []).append(peer.restore())
                peer.save()
    finally:
        peer.end()
    with Node(fixture, options=["--interface", "lo"], **WITHOUT_WARM_VMS):
        for _ in range(runs):
            time.sleep(3)
            touch_memory(fixture.memory)
            times.setdefault("cold", []).append(session(plain))
    medians = {
        f"{name}_{what}": median(column)
        for name, values in times.items()
        for what, column in zip(("runs", "answers", "placed"), zip(*values, strict=True), strict=False)
    }
    found |= {f"{key}_s": value for key, value in medians.items()}
    for name in (*overlays, "cold"):
        for what, theirs in (("runs", "runs"), ("answers", "answers"), ("placed", "answers")):
            if ours := medians.get(f"{name}_{what}"):
                found[f"{name}_{what}_ratio"] = round(medians[f"virsh_{theirs}"] / ours, 2)
    return found


class SerialScript:
    """The serial script: the base's saved VM is on the node already; a patch of it and the disk are sent, unpacked and
    applied, and the VM is restored, one step after the other."""

    def __init__(self, plain: Fixture, fixture: Fixture) -> None:
        self.root = fixture.root / "serial"
        self.root.mkdir()
        base = PeerVM(plain)
        base.save()
        base.end()
        self.base, self.peer = base.saved, PeerVM(fixture)
        self.peer.save()
        disk = re.search(r"source file=.([^'\"]*disk.qcow2)", self.peer.xml.read_text())
        if not disk:
            raise RuntimeError("the VM's description names no disk.qcow2")
        patch = f"xdelta3 -e -0 -f -S none -B 2000000000 -c -s {self.base} {self.peer.saved} | xz -6 -T0"
        run("sh", "-c", f"{patch} > {self.root}/memory.xz; xz -6 -T0 < {disk[1]} > {self.root}/disk.xz")
        self.size = sum((self.root / name).stat().st_size for name in ("memory.xz", "disk.xz"))

    def over(self, link: Link) -> float:
        """Seconds that the script takes over a link."""
        self.peer.saved.unlink()
        start = time.monotonic()
        above = self.root.parent
        server = link.shell(
            0,
            f"nc -l -p 7000 | tar x -C {above} && xz -dc -T0 {above}/disk.xz > {self.root}/disk.qcow2 && "
            f"xz -dc -T0 {above}/memory.xz | xdelta3 -d -f -B 2000000000 -c -s {self.base} > {self.peer.saved}",
        )
        time.sleep(0.2)
        sender = link.shell(1, f"cd {self.root} && tar c disk.xz memory.xz | nc -N {link.NODE} 7000")
        if sender.wait(600) or server.wait(600):
            raise RuntimeError("the serial script failed")
        self.peer.restore()
        took = time.monotonic() - start - 0.2
        self.peer.save()
        return took


def over_link(fixture: Fixture, serial: SerialScript, rate: int, runs: int) -> Found:
    """Measures the wall time of a synthesis against its lower bound, and that of the serial script."""
    cores = len(os.sched_getaffinity(0))
    walls, bounds = [], []
    with Link(rate) as link:
        with Node(fixture, link.on(0)) as node:
            for number in range(runs):
                node.wait_for_warm_vm(number + 1)
                time.sleep(1)
                before = node.processor_time()
                walls.append(seconds(link.find(fixture)))
                # The bytes on the link: the overlay and 4 % for headers (1448 of 1514 bytes of a frame are data).
                transfer = fixture.size * 8 * 1514 / 1448 / (rate * 1e6)
                bounds.append(max(transfer, (node.processor_time() - before) / cores))
                time.sleep(2)
        took = serial.over(link)
    wall, bound = median(walls), median(bounds)
    return {
        "rate_mbit": rate,
        "overlay_bytes": fixture.size,
        "wall_s": wall,
        "bound_s": bound,
        "efficiency": round(wall / bound, 3),
        "serial_s": round(took, 3),
        "serial_bytes": serial.size,
        "serial_ratio": round(took / wall, 2),
    }


# Seconds until all of several clients had their VMs, and the seconds of each client.
Round = tuple[float, list[float]]


def many(fixture: Fixture, count: int, runs: int) -> Found:
    """Measures clients at the same time and in a row, under the same conditions: there are no warm VMs."""
    rows, rounds = [], []
    with Link(0) as link, Node(fixture, link.on(0), **WITHOUT_WARM_VMS):
        seconds(link.find(fixture))
        for _ in range(runs):
            start = time.monotonic()
            for number in range(count):
                seconds(link.find(fixture, number))
            rows.append(time.monotonic() - start)
            rounds.append(at_once(link, fixture, count))
            time.sleep(3)
    once = median(took for took, _ in rounds)
    ratio = round(once / median(rows), 3)
    return {
        "clients": count,
        "in_a_row_s": median(rows),
        "at_once_s": once,
        "at_once_to_row": ratio,
        **fairness(rounds),
    }


def ready(fixture: Fixture, count: int, runs: int) -> Found:
    """Measures clients at the same time with as many warm VMs."""
    rounds = []
    with Link(0) as link, Node(fixture, link.on(0), CLOUDLET_STANDBY_MACHINES=str(count)) as node:
        for number in range(runs):
            node.wait_for_warm_vm((number + 1) * count)
            time.sleep(2)
            rounds.append(at_once(link, fixture, count))
    return {"clients": count, "at_once_s": median(took for took, _ in rounds), **fairness(rounds)}


def shared(fixture: Fixture, count: int, runs: int, rate: int = 200) -> Found:
    """Measures clients at the same time over one link."""
    with Link(rate) as link, Node(fixture, link.on(0), **WITHOUT_WARM_VMS):
        rounds = [at_once(link, fixture, count) for _ in range(runs)]
    return {
        "clients": count,
        "mbit": rate,
        "overlay_bytes": fixture.size,
        "at_once_s": median(took for took, _ in rounds),
        "ideal_s": round(fixture.size * count * 8e-6 / rate, 2),
        **fairness(rounds),
    }


def at_once(link: Link, fixture: Fixture, count: int) -> Round:
    """Starts clients at the same time."""
    start = time.monotonic()
    each = [seconds(job) for job in [link.find(fixture, number) for number in range(count)]]
    return time.monotonic() - start, each


def fairness(rounds: list[Round]) -> Found:
    """The ratio of the slowest client's time to the fastest's: of all rounds, and their median."""
    ratios = [max(each) / min(each) for _, each in rounds]
    return {"slowest_to_fastest": median(ratios), "of_each_round": [round(ratio, 2) for ratio in ratios]}


def measure(options: argparse.Namespace, root: Path, note: Callable[[str, Found], None]) -> None:
    """Runs the requested parts."""
    parts = options.parts or ["restore", "link", "many"]
    if "many" in parts or "link" in parts:
        plain = Fixture(root / "l", 256)
        large = plain.with_overlay(options.payload)
        if "many" in parts:
            note("many", many(plain, options.clients, options.runs))
            note("ready", ready(plain, options.clients, options.runs))
            note("shared", shared(large, options.clients, min(options.runs, 3)))
        if "link" in parts:
            serial = SerialScript(plain, large)
            for rate in options.rates:
                note("link", over_link(large, serial, rate, options.runs))
            serial.peer.end()
    if "restore" in parts:
        for memory in options.memory:
            note("restore", restore(Fixture(root / "r", memory), options.runs))


def numbers(text: str) -> list[int]:
    """Reads a list of whole numbers separated by commas."""
    return [int(word) for word in text.split(",")]


def main() -> None:
    """Runs the measurements with the given options."""
    arguments = parser(__doc__)
    arguments.add_argument("parts", nargs="*", choices=["restore", "link", "many", []], default=[])
    arguments.add_argument("--memory", type=numbers, default=[256, 1024, 4096])
    arguments.add_argument("--rates", type=numbers, default=[38, 100, 1000])
    arguments.add_argument("--clients", type=int, default=10)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--payload", type=int, default=100, help="MiB that the large overlay carries")
    arguments.add_argument("--json", type=Path)
    options = arguments.parse_args()
    need_root()
    need("nc", "xz", "xdelta3", "virsh", "tc", "ip", "qemu-system-x86_64", "qemu-img", "ssh", "mmdebstrap")
    build("release", "cloudlet", "cloudlet-node", "cloudlet-find")
    configuration, cores = Path(program("cloudlet-node")).parent.name, len(os.sched_getaffinity(0))
    load, found = os.getloadavg()[0], dict[str, list[Found]]()

    def note(name: str, value: Found) -> None:
        found.setdefault(name, []).append(value)
        print(json.dumps({name: value}), flush=True)

    with scratch("cb-") as root:
        measure(options, root, note)
    machine: Found = {"build": configuration, "load": load, "cores": cores, "load_after": os.getloadavg()[0]}
    if options.json:
        options.json.write_text(json.dumps({**machine, **found}, indent=1))
    print(f"build {configuration}, {cores} cores, load {load:.1f} to {machine['load_after']:.1f}")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        stop(1, str(error))
