# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

# setup: build lan bench
"""Floods a node in every way, then starts, ends and moves nodes for a long time. Needs root.

    Scripts/soak discovery [--minutes N] [--nodes N] [--flood-seconds N] [--configuration debug|release]

Floods are searches with every MX, garbage, false announcements, slow HTTP clients, subscriptions and mDNS questions.
During them, a genuine client must always find the node within 1 s; afterwards, the node's memory must return to within
20 MB of its start. Then, every 15 s a node is stopped or killed, moves to another address, or has its cable pulled. The
descriptors, threads, memory and rate of announcements of a node that stays must not drift.
"""

import random
import subprocess
import sys
import threading
import time

from ..lan import Lan, lan
from ..processes import ProcessState, state
from ..programs import build, need, need_root, parser

FLOODS = (
    *(("search", 10), ("search", 1000), ("search", 0), ("garbage", 0), ("notify", 0)),
    *(("mdns", 1000), ("slow", 500), ("subscribe", 1000)),
)


class Expectations:
    """The conditions that did not hold."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def check(self, text: str, holds: bool) -> None:
        """Prints whether a condition holds."""
        print(f"  {'holds ' if holds else 'FAILED'}  {text}", flush=True)
        if not holds:
            self.failed.append(text)


def genuine(lab: Lan, host: int, wanted: str) -> float | None:
    """Milliseconds until a genuine client has found a node; None if it takes longer than a second and a half."""
    events = lab.find(host, "--timeout", "1.5")
    return min((when for when, sign, text in events if sign == "+" and wanted in text), default=None)


def floods(seconds: float, configuration: str, expect: Expectations) -> None:
    """Runs all floods, one after the other."""
    with lan(3, configuration) as lab:
        lab.node(1)
        time.sleep(4)
        before = state(lab.pid(1))
        for kind, rate in FLOODS:
            words = lab.module(2, "flood", kind, rate, seconds, "10.77.0.2")
            times, peak = [], 0
            with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
                while running.poll() is None:
                    # avahi handles the mDNS flood; it answers once a second at most, as required.
                    times.append(genuine(lab, 3, lab.id(1)))
                    peak = max(peak, state(lab.pid(1)).resident)
                sent = running.stdout.read().strip() if running.stdout else ""
            worst = max((9999 if when is None else when for when in times), default=0)
            text = f"{kind} at {rate or 'full'}/s, {sent} sent: genuine client served within {worst:.0f} ms"
            expect.check(f"{text}, {peak // 1024} MiB", worst < 1000)
        time.sleep(20)
        after = state(lab.pid(1))
        memory = f"memory {before.resident // 1024} MiB before, {after.resident // 1024} MiB after"
        expect.check(memory, after.resident - before.resident < 20 << 10)
        expect.check(f"descriptors {before.files} before, {after.files} after", after.files - before.files <= 4)


class Announcements:
    """Counts the SSDP multicasts of a node per minute."""

    def __init__(self, lab: Lan, host: int, node: str) -> None:
        self.counts = [0]
        words = lab.command(
            host, *("tcpdump", "-l", "-n", "-i", "eth0", "udp", "dst", "port", "1900", "and", "host", node)
        )
        self.capture = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        """Counts lines until the capture ends."""
        for _ in self.capture.stdout or ():
            self.counts[-1] += 1

    def next_minute(self) -> None:
        """Starts the next count."""
        self.counts.append(0)

    def rates(self) -> list[int]:
        """The counts of whole minutes, without the first count, which covers the time before the first whole minute."""
        return self.counts[1:]

    def stop(self) -> None:
        """Ends the capture."""
        self.capture.terminate()
        self.capture.wait()


def change(lab: Lan, host: int) -> None:
    """Changes a node, and reverts the change."""
    away, back = random.choice(
        (
            (("stop", host, "node"), ("again", host)),
            (("kill9", host, "node"), ("again", host)),
            (("readdr", host, f"10.77.9.{host}"), ("readdr", host, f"10.77.0.{host + 1}")),
            (("link", host, "down"), ("link", host, "up")),
        )
    )
    for words in (away, back):
        lab.script(*words)
        time.sleep(7.5)


def check_drift(who: str, early: ProcessState, late: ProcessState, expect: Expectations) -> None:
    """Checks that the resources of a process do not grow."""
    expect.check(
        f"{who}: {early.resident // 1024} -> {late.resident // 1024} MiB, {early.files} -> {late.files} descriptors, "
        f"{early.threads} -> {late.threads} threads",
        late.resident - early.resident < 20 << 10
        and late.files - early.files <= 4
        and late.threads - early.threads <= 4,
    )


def check_rates(rates: list[int], expect: Expectations) -> None:
    """Checks that the number of announcements does not grow."""
    if len(rates) < 2:
        print(f"  announcements in the only minute: {sum(rates)}; longer runs compare", flush=True)
        return
    first, last = rates[: len(rates) // 2], rates[len(rates) // 2 :]
    early, late = sum(first) / len(first), sum(last) / len(last)
    expect.check(f"announcements a minute: {early:.0f}, then {late:.0f}", late <= early * 1.5 + 10)


def churn(minutes: float, nodes: int, configuration: str, expect: Expectations) -> None:
    """Starts, ends and moves nodes."""
    watch = nodes + 1
    with lan(nodes + 1, configuration) as lab:
        for host in range(1, nodes + 1):
            lab.node(host, *(["--max-age", "60"] if host == 1 else []))
        finder = lab.programs / "discovery-host"
        lab.script("bg", watch, "node", finder, "find", "--watch", str(minutes * 60 + 60))
        announcements = Announcements(lab, watch, "10.77.0.2")
        time.sleep(20)
        begin, states = time.monotonic(), []
        while time.monotonic() - begin < minutes * 60:
            states.append((state(lab.pid(1)), state(lab.pid(watch))))
            announcements.next_minute()
            for _ in range(4):
                change(lab, random.randrange(2, nodes + 1))
        announcements.stop()
        first = states[min(1, len(states) // 2)]
        for index, who in enumerate(("the node that stays", "the finder that watches")):
            check_drift(who, first[index], states[-1][index], expect)
        check_rates(announcements.rates(), expect)
        time.sleep(10)
        found = "".join(text for _, sign, text in lab.find(watch) if sign == "+")
        missing = [host for host in range(1, nodes + 1) if lab.id(host) not in found]
        expect.check(f"all are found at the end ({nodes - len(missing)} of {nodes})", not missing)
        for host in missing:
            events = lab.find(watch, "--timeout", "10")
            again = [text for _, sign, text in events if sign == "+" and lab.id(host) in text]
            text = f"node {host}, when asked for 10 s: {again or 'not found'}; its log:\n{lab.log(host)}"
            print(text, flush=True)


def main() -> int:
    """Runs floods and changes with the given options."""
    arguments = parser(__doc__)
    arguments.add_argument("--minutes", type=float, default=60)
    arguments.add_argument("--nodes", type=int, default=10)
    arguments.add_argument("--flood-seconds", type=float, default=60)
    arguments.add_argument("--configuration", choices=("debug", "release"), default="release")
    options = arguments.parse_args()
    need_root()
    need("ip", "avahi-daemon", "dbus-daemon", "tcpdump", "python3")
    build(options.configuration, "discovery-host", "cloudlet-find")
    expect = Expectations()
    if options.flood_seconds > 0:
        floods(options.flood_seconds, options.configuration, expect)
    if options.minutes > 0:
        churn(options.minutes, options.nodes, options.configuration, expect)
    return 1 if expect.failed else 0


if __name__ == "__main__":
    sys.exit(main())
