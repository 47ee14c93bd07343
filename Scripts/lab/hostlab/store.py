# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""The cache of images and saved states, in $XDG_CACHE_HOME/cloudlet/host-lab (default ~/.cache).

An image is a directory RELEASE-RECIPE with disk.raw, vmlinuz, initrd and key. Each directory state-HASH in it is a
machine that has booted: disk.qcow2, which continues disk.raw, and `state`, its memory and devices."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..programs import missing
from ..waiting import until
from .emulator import KERNEL_OPTIONS, QEMU, Emulator, Machine
from .failure import NO_ROOM, UNAVAILABLE, Failure
from .recipe import RELEASES
from .ssh import SSH

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudlet/host-lab"
GIB = 1 << 30
BUILD_LIMIT, BOOT_LIMIT = 1800, 400  # seconds


def say(text: str) -> None:
    """Prints a line about progress."""
    print(f"host-lab: {text}", file=sys.stderr)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other processes out while the block runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_room(directory: Path, needed: float) -> None:
    """Ends the program when a file system has less than `needed` GiB of free space."""
    if (free := shutil.disk_usage(directory).free / GIB) < needed:
        raise Failure(NO_ROOM, f"{directory} has {free:.1f} GiB of free space; {needed:g} GiB are needed")


def check_programs(*programs: str) -> None:
    """Ends the program unless these programs are installed."""
    if absent := missing(*programs):
        raise Failure(UNAVAILABLE, f"not installed: {', '.join(absent)}; 'Scripts/setup run guest' installs them")


@contextlib.contextmanager
def under_construction(final: Path) -> Iterator[Path]:
    """Yields a directory that gets its final name when the block ends without failure; otherwise it is removed."""
    for left in final.parent.glob(f".{final.name}.*"):  # by a killed run, because this one holds the lock
        remove(left)
    directory = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    try:
        yield directory
        directory.rename(final)
    finally:
        remove(directory)


def remove(directory: Path) -> None:
    """Removes a directory, also when its files belong to other users of a user namespace."""
    if directory.exists():
        subprocess.run([*as_root(), "rm", "-rf", "--", directory], capture_output=True, check=False)
        shutil.rmtree(directory, ignore_errors=True)


def as_root() -> list[str]:
    """The beginning of a command line that runs as root, at least of a user namespace; what is mounted there goes with
    its last process."""
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return words if os.geteuid() == 0 else [*words, "--user", "--map-root-user", "--map-auto"]


def image(release: int) -> Path:
    """The directory of an image; makes it if it is not in the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    final = CACHE / f"{release}-{RELEASES[release].hash}"
    with locked(CACHE / f".{release}.lock"):
        if not final.exists():
            check_programs("mmdebstrap", "mke2fs", "ssh-keygen", "unshare", "systemctl")
            check_room(CACHE, 6)
            with under_construction(final) as made:
                make_image(release, made)
    return final


def make_image(release: int, made: Path) -> None:
    """Makes an image in an empty directory."""
    start, work = time.monotonic(), made / "work"
    say(f"making the disk of Debian {release} from packages, in {made}")
    work.mkdir()
    log = work / "log"
    words = [*as_root(), sys.executable, "-B", "-m", "lab.hostlab.image", str(release)]
    try:
        with open(log, "wb") as output:
            done = subprocess.run(words, cwd=work, stdout=output, stderr=output, timeout=BUILD_LIMIT, check=False)
        reason = f"failed with status {done.returncode}"
    except subprocess.TimeoutExpired:
        reason = f"was not made within {BUILD_LIMIT} s"
    if not (work / "entry/disk.raw").exists() or not reason.endswith(" 0"):
        text = "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-30:])
        raise Failure(UNAVAILABLE, f"the disk of Debian {release} {reason}:\n{text}")
    for file in (work / "entry").iterdir():
        file.rename(made / file.name)
    remove(work)
    size = (made / "disk.raw").stat().st_blocks * 512 / GIB
    say(f"made the disk in {time.monotonic() - start:.0f} s: {size:.1f} GiB")


def booted(release: int, machine: Machine) -> Path:
    """The directory with the disk and the saved state of a machine that has booted; makes it if it is not cached."""
    base = image(release)
    check_programs(QEMU, "qemu-img", "ssh")
    version = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    parts = f"{version}\n{machine.arguments} {KERNEL_OPTIONS} {SETTLE}"
    final = base / f"state-{hashlib.sha256(parts.encode()).hexdigest()[:16]}"
    with locked(base / ".lock"):
        if not final.exists():
            check_room(base, machine.memory / 1024 + 1)
            with under_construction(final) as made:
                boot(base, machine, made)
    return final


def boot(base: Path, machine: Machine, made: Path) -> None:
    """Boots a machine once, and saves its state."""
    start = time.monotonic()
    say("booting it once")
    create_disk(made / "disk.qcow2", base / "disk.raw", "raw")
    emulator, ssh = Emulator(made), SSH(made, base / "key")
    try:
        emulator.launch(machine, base, "disk.qcow2")
        # A kernel that panics ends its emulator.
        with emulator.control() as control:
            control.execute("set-action", reboot="shutdown")
        wait_for_ssh(emulator, ssh, BOOT_LIMIT)
        ssh.run(SETTLE, timeout=BOOT_LIMIT)
        ssh.close()
        emulator.save("state")
    except Failure as failure:
        raise Failure(failure.status, f"{failure}\n{emulator.last_words()}") from None
    finally:
        emulator.end()
    for name in ("qmp", "pid", "port", "ssh"):
        (made / name).unlink(missing_ok=True)
    size = (made / "state").stat().st_size / GIB
    say(f"booted in {time.monotonic() - start:.0f} s; saved state: {size:.1f} GiB")


# Waits until all units have started, and checks what tests rely on. A unit that fails is a fault of the recipe.
SETTLE = """
state=$(systemctl is-system-running --wait) || { echo "the host is $state"; systemctl --failed --plain; exit 1; }
set -ex
for unit in hold-kvm avahi-daemon apparmor; do systemctl is-active $unit; done
aa-status --enabled
virsh --quiet --connect qemu:///system version
sync
"""


def create_disk(disk: Path, backing: Path, format: str) -> None:  # noqa: A002
    """Creates a disk that continues another one, which does not change."""
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(backing.resolve()), "-F", format, str(disk)]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Failure(UNAVAILABLE, f"no disk can be created: {made.stderr.strip()}")


def wait_for_ssh(emulator: Emulator, ssh: SSH, limit: float) -> None:
    """Waits until a host answers; ends the program when it does not, with the last lines of its console."""
    port = emulator.ssh_port()

    def is_over() -> bool:
        return ssh.open(port) or not emulator.pid

    if not until(is_over, limit, interval=0.3) or not emulator.pid:
        reason = f"does not answer within {limit:g} s" if emulator.pid else "has ended"
        raise Failure(UNAVAILABLE, f"the host {reason}")
