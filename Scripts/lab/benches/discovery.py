# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

# setup: build lan bench
"""Measures discovery in a lab of network namespaces. Needs root.

    Scripts/bench discovery [--nodes N] [--runs N] [--configuration debug|release]

It measures the time until all of many nodes are found and verified, and the time until one node is found, in comparison
with other programs. Times of programs count from their start to their output line; those of cloudlet-find also from its
first question, those of upnp-client also to its end, because its call returns then. The node answers with its own
engine and with libupnp, which delays its answers up to MX. It also measures a finder that has been watching and so
knows the nodes in advance, and the client itself: its size, its libraries, and the time of its first question. Programs
that are not installed are skipped, with the measurements that need them; the exit status is then 69, unless a goal is
missed.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..lan import Event, Lan, lan
from ..programs import CHECKOUT, Word, build, missing, need, need_root, parser
from ..waiting import until

Value = TypeVar("Value")
TYPE = "urn:schemas-upnp-org:device:CloudletServer:1"
CLIENT = "10.77.0.3"
UPNP, ZEROCONF, AVAHI = "upnp-client search", "python zeroconf", "avahi-browse -rtp"
UPNP_CLIENT = [
    str(CHECKOUT / ".build/venv/bin/upnp-client"),
    *("search", "--bind", CLIENT, "--search_target", TYPE),
]
PYTHON = "/usr/bin/python3"
PEERS: dict[str, list[str]] = {
    UPNP: UPNP_CLIENT,
    ZEROCONF: ["env", f"PYTHONPATH={CHECKOUT / 'Scripts'}", PYTHON, "-B", "-m", "lab.zeroconf_finder", CLIENT],
    AVAHI: ["avahi-browse", "-rtp", "_cloudlet._tcp"],
}


class Goals:
    """The missed goals, and the programs that are not installed."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.left_out: list[str] = []

    def check(self, text: str, holds: bool) -> None:
        """Prints whether a goal was reached."""
        print(f"  {'kept  ' if holds else 'MISSED'}  {text}")
        if not holds:
            self.failed.append(text)

    def status(self) -> int:
        """The exit status."""
        return 1 if self.failed else 69 if self.left_out else 0


def median(values: Iterable[float | None]) -> float:
    """The median; infinite when there are no values."""
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else float("inf")


def repeat(count: int, measure: Callable[[], Value]) -> list[Value]:
    """Measures several times, each time after a pause in which the lab becomes quiet."""
    found = []
    for _ in range(count):
        time.sleep(1.2)
        found.append(measure())
    return found


def available_peers(goals: Goals) -> dict[str, list[str]]:
    """The programs of other projects that are installed here."""
    found = {}
    for name, words in PEERS.items():
        absent = missing(PYTHON if name == ZEROCONF else words[0])
        if not absent and name == ZEROCONF:
            tried = subprocess.run([PYTHON, "-c", "import zeroconf"], stderr=subprocess.DEVNULL, check=False)
            absent = ["python3-zeroconf"] if tried.returncode else []
        if absent:
            print(f"left out: {name} ({absent[0]} is not installed)")
            goals.left_out.append(name)
        else:
            found[name] = words
    return found


def seen(events: list[Event]) -> set[str]:
    """The ids of the nodes that a search found."""
    return {text[text.find('"id":"') + 6 :][:36] for _, sign, text in events if sign == "+"}


def many(count: int, runs: int, configuration: str, goals: Goals) -> None:
    """Measures the time until all of many nodes are found."""
    with lan(count + 1, configuration) as lab:
        for host in range(1, count + 1):
            lab.node(host)
        client = count + 1
        until(lambda: len(seen(lab.find(client))) == count, timeout=120, interval=1)
        complete, absent = [], 0
        for events in repeat(runs, lambda: lab.find(client)):
            absent += count - len(seen(events))
            complete.append(max((when for when, sign, _ in events if sign == "+"), default=float("inf")))
        print(
            f"{count} nodes, {runs} searches: all after {median(complete):.0f} ms (median), "
            f"{max(complete):.0f} ms (longest)"
        )
        goals.check(f"none missing ({absent})", absent == 0)
        goals.check("all within 1 s, each time", max(complete) < 1000)


def ask(lab: Lan, wanted: str) -> float:
    """Seconds until a finder that has been watching for 3 s prints a node."""
    output = lab.script("find", 2, "--watch", "10", "--ask", "3")
    line = next(line for line in output.splitlines() if line.startswith("asked: "))
    if wanted not in line:
        raise RuntimeError(f"the watching finder has not found the node: {line}")
    return int(line.split()[1]) / 1e9


def linked(program: Path) -> tuple[int, list[str]]:
    """The number of libraries that a program links, and those of them that belong neither to C, C++ nor Swift."""
    names = [line.split()[0] for line in subprocess.check_output(["ldd", program], text=True).splitlines()]
    usual = ("linux-vdso", "/lib", "libc.", "libm.", "libgcc_s.", "libstdc++.")
    swift = ("libswift", "lib_Foundation", "libFoundation", "libdispatch.", "libBlocksRuntime.")
    return len(names), [name for name in names if not name.startswith(usual + swift)]


def client(lab: Lan, whole: float, inside: float, configuration: str, goals: Goals) -> None:
    """Measures the client itself: the size of its file, its libraries, the time until its first question."""
    program = lab.programs / "cloudlet-find"
    size = program.stat().st_size / 1e6
    count, others = linked(program)
    launcher = median([lab.whole(2, ["true"]) for _ in range(10)])
    begin = whole - inside - launcher
    print(
        f"cloudlet-find: {size:.1f} MB, {count} libraries; asks {begin:.1f} ms after its start "
        f"(without {launcher:.1f} ms of the lab's own)"
    )
    goals.check(f"cloudlet-find links only C's, C++'s and Swift's libraries {' '.join(others)}".rstrip(), not others)
    if configuration == "release":
        goals.check("cloudlet-find has at most 22.5 MB", size <= 22.5)
        goals.check("cloudlet-find asks at most 21.5 ms after its start", begin <= 21.5)


def foreign(runs: int, configuration: str, goals: Goals) -> None:
    """Measures a node that uses libupnp, found by cloudlet-find and by upnp-client."""
    with lan(2, configuration) as lab:
        lab.node(1, "--engine", "libupnp", "--no-mdns")
        time.sleep(6)
        ours = median(repeat(runs, lambda: lab.first_event(2, "--protocol", "ssdp")))
        first = median(repeat(5, lambda: lab.first_line(2, UPNP_CLIENT, lab.id(1))))
        whole = median(repeat(3, lambda: lab.whole(2, UPNP_CLIENT)))
        print(
            f"responder libupnp: cloudlet-find verified {ours:.0f} ms after the first question; "
            f"upnp-client: first line after {first:.0f} ms, end after {whole:.0f} ms"
        )
        goals.check("with libupnp as responder, upnp-client returns after >= 2x our time", whole >= 2 * ours)


def one(runs: int, configuration: str, peers: dict[str, list[str]], goals: Goals) -> None:
    """Measures one node, found by cloudlet-find and by other programs."""
    with lan(2, configuration) as lab:
        lab.node(1)
        wanted = lab.id(1)
        time.sleep(6)
        inside, whole = {}, {}
        for kind in ("ssdp", "mdns"):
            find: list[Word] = [lab.programs / "cloudlet-find", "--json", "--protocol", kind]
            inside[kind] = median(repeat(runs, partial(lab.first_event, 2, "--protocol", kind)))
            whole[kind] = median(repeat(runs, partial(lab.first_line, 2, find, wanted)))
            print(
                f"cloudlet-find --protocol {kind}: verified {inside[kind]:.1f} ms after the first question, "
                f"{whole[kind]:.0f} ms after the start of the program"
            )
        client(lab, whole["ssdp"], inside["ssdp"], configuration, goals)
        times = {}
        for name, words in peers.items():
            values = repeat(5, partial(lab.first_line, 2, words, wanted))
            if not any(values):
                goals.check(f"{name} finds the node at all", False)
                continue
            times[name] = median(values)
            kind = "ssdp" if name == UPNP else "mdns"
            print(
                f"{name}: {times[name]:.0f} ms after the start of the program: "
                f"{times[name] / whole[kind]:.1f}x as long; "
                f"{times[name] / inside[kind]:.0f}x our time from the first question"
            )
        returned = None
        if UPNP in peers:
            returned = median(repeat(3, lambda: lab.whole(2, UPNP_CLIENT)))
            print(
                f"{UPNP}: ends {returned:.0f} ms after its start: "
                f"{returned / inside['ssdp']:.0f}x our time from the first question"
            )
        asked = median([ask(lab, wanted) for _ in range(5)])
        print(f"a finder that watches names the verified node {asked * 1e6:.0f} us after it is asked")
        goals.check("p50 of SSDP from question to verified node <= 5 ms", inside["ssdp"] <= 5)
        if returned is not None:
            goals.check("upnp-client search returns after >= 100x our time", returned >= 100 * inside["ssdp"])
        if ZEROCONF in times:
            goals.check("python zeroconf takes >= 100x as long as a warm finder", times[ZEROCONF] >= 1e5 * asked)
        if AVAHI in times:
            text = "our mDNS search as a program takes no longer than avahi-browse -rtp"
            goals.check(text, whole["mdns"] <= times[AVAHI])
        for name in (ZEROCONF, AVAHI):
            if name in times:
                goals.check(f"{name} takes >= 3x as long as our mDNS search", times[name] >= 3 * inside["mdns"])


def main() -> int:
    """Runs the measurements with the given options."""
    arguments = parser(__doc__)
    arguments.add_argument("--nodes", type=int, default=100)
    arguments.add_argument("--runs", type=int, default=20)
    arguments.add_argument("--configuration", choices=("debug", "release"), default="release")
    options = arguments.parse_args()
    need_root()
    goals = Goals()
    peers = available_peers(goals)
    need("ip", "avahi-daemon", "dbus-daemon")
    build(options.configuration, "discovery-host", "cloudlet-find")
    one(options.runs, options.configuration, peers, goals)
    if UPNP in peers:
        foreign(options.runs, options.configuration, goals)
    many(options.nodes, options.runs, options.configuration, goals)
    if goals.left_out:
        print(f"left out: {', '.join(goals.left_out)}")
    return goals.status()


if __name__ == "__main__":
    sys.exit(main())
