# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Runs whole Debian hosts in VMs to test in, with systemd, AppArmor, avahi, libvirtd, and a KVM that runs guests.

    Scripts/host-lab build [--release 12|13] [--disk-only]  makes the image and boots it once; both stay in the cache
    Scripts/host-lab start [--release 12|13] [--name NAME]  starts a host from there in seconds
    Scripts/host-lab run [--name NAME] COMMAND...           runs a command as root; one word is a shell script
    Scripts/host-lab copy [--name NAME] FILE... :DIRECTORY  copies files and directories into a directory of the host
    Scripts/host-lab copy [--name NAME] :FILE... DIRECTORY  copies them from the host
    Scripts/host-lab list                                   lists the hosts
    Scripts/host-lab stop [--name NAME | --all]             ends a host, and removes its files

Hosts that run at the same time have different names, and see each other on a LAN (192.168.77.0/24, enp0s4). They reach
nothing else. Only `build` needs a network, for Debian's packages; a host finds libraries that the packages of this
project need in apt's cache. Two processors and 3 GiB of memory are emulated (--cpus, --memory, --cpu).

The exit status of `run` is that of the command (124: --timeout has passed). Otherwise: 0 success, 64 wrong arguments,
66 no such file or host, 69 the host or a program does not work, 73 too little free space, 75 the name is in use.
"""

import argparse
import re
import shlex
import sys
from pathlib import Path

from .emulator import Machine
from .failure import WRONG_USE, Failure
from .host import Host, hosts
from .recipe import RELEASES
from .store import booted, image

DEFAULT = Machine()


def name(text: str) -> str:
    """Checks the name of a host, which becomes its host name and the name of its directory."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", text) or text == "lan":
        raise argparse.ArgumentTypeError(f"'{text}' is not a name of small letters, digits and hyphens")
    return text


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="host-lab", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, exit_on_error=True
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    made = {word: commands.add_parser(word) for word in ("build", "start", "run", "copy", "list", "stop")}
    for word in ("build", "start"):
        made[word].add_argument("--release", type=int, choices=sorted(RELEASES), default=12)
        made[word].add_argument("--cpu", default=DEFAULT.cpu, help="model of QEMU, with features as MODEL,-avx2")
        made[word].add_argument("--cpus", type=int, default=DEFAULT.cpus)
        made[word].add_argument("--memory", type=int, default=DEFAULT.memory, help="MiB")
    made["build"].add_argument("--disk-only", action="store_true", help="do not boot it")
    for word in ("start", "run", "copy", "stop"):
        made[word].add_argument("--name", type=name, default="host")
    made["run"].add_argument("--timeout", type=float, default=600, help="seconds (default: 600)")
    made["run"].add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    made["copy"].add_argument("paths", nargs="+", metavar="PATH")
    made["stop"].add_argument("--all", action="store_true")
    return parser.parse_args()


def copy(host: Host, paths: list[str]) -> None:
    """Copies into the host or from it; paths of the host begin with a colon."""
    *sources, target = paths
    remote = [path.startswith(":") for path in sources]
    if not sources or any(remote) == target.startswith(":") or any(remote) != all(remote):
        raise Failure(WRONG_USE, "copy needs FILE... :DIRECTORY or :FILE... DIRECTORY")
    if target.startswith(":"):
        host.send([Path(source) for source in sources], target[1:])
    else:
        host.fetch([source[1:] for source in sources], Path(target))


def main() -> int:
    """Runs a command; returns the exit status."""
    options = arguments()
    match options.command:
        case "build" if options.disk_only:
            image(options.release)
        case "build":
            booted(options.release, Machine(options.cpu, options.cpus, options.memory))
        case "start":
            Host(options.name).start(options.release, Machine(options.cpu, options.cpus, options.memory))
        case "run":
            words = options.words[1:] if options.words[:1] == ["--"] else options.words
            if not words:
                raise Failure(WRONG_USE, "run needs a command")
            return Host(options.name).run(words[0] if len(words) == 1 else shlex.join(words), options.timeout)
        case "copy":
            copy(Host(options.name), options.paths)
        case "list":
            for host in hosts():
                print(host.name, "running" if host.emulator.pid else "ended")
        case "stop":
            for host in list(hosts()) if options.all else [Host(options.name)]:
                host.stop()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"host-lab: {failure}", file=sys.stderr)
        sys.exit(failure.status)
    except KeyboardInterrupt:
        sys.exit(130)
