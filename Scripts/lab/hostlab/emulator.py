# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""The emulator of a host: a QEMU whose files are in one directory."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..processes import executable
from ..waiting import until
from .failure import BUSY, DEFECT, UNAVAILABLE, Failure
from .qmp import QMP

QEMU = "qemu-system-x86_64"
# TCG emulates SVM with nested paging, which KVM needs, for any model.
KVM_FEATURES = "+svm,+npt,+nrip-save"
KERNEL_OPTIONS = (
    *("root=/dev/vda", "rw", "console=ttyS0", "quiet", "systemd.show_status=no"),
    # The TSC of an emulated host is reliable, but looks unstable. Mitigations cost time and protect nobody here.
    *("tsc=reliable", "mitigations=off", "nokaslr"),
    # The host's processor is slow, not stuck.
    *("nowatchdog", "panic=-1"),
)


@dataclass(frozen=True)
class Machine:
    """The hardware of a host."""

    cpu: str = "EPYC"
    cpus: int = 2
    memory: int = 3072  # MiB

    @property
    def arguments(self) -> list[str]:
        """QEMU's arguments. A saved state can be resumed only by a QEMU with the same ones."""
        return [
            *("-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"),
            *("-accel", "tcg,thread=multi,tb-size=512", "-cpu", f"{self.cpu},{KVM_FEATURES}"),
            *("-smp", str(self.cpus), "-m", str(self.memory)),
            # Hosts that go on from the same state draw different random numbers.
            *("-device", "vmgenid,guid=auto", "-device", "virtio-rng-pci,addr=0x5"),
        ]


class Emulator:
    """A QEMU in a directory: its process id, control socket, console and messages."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process; None when it has ended."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.directory / "pid").read_text())
            if executable(pid).startswith("qemu-system"):
                return pid
        return None

    def launch(
        self, machine: Machine, image: Path, disk: str, lan: Sequence[str] = (), state: Path | None = None
    ) -> None:
        """Starts QEMU with a disk of its directory; it boots, or goes on from a saved state. Without a LAN, the host's
        second network card is connected to nothing."""
        words = [
            *(QEMU, *machine.arguments),
            *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd")),
            *("-append", " ".join(KERNEL_OPTIONS)),
            *("-chardev", "file,id=console,path=console", "-serial", "chardev:console"),
            *("-qmp", "unix:qmp,server=on,wait=off"),
            *("-drive", f"file={disk},if=none,id=disk,cache=unsafe,discard=unmap"),
            *("-device", "virtio-blk-pci,drive=disk,addr=0x2"),
            *("-netdev", "user,id=control,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22"),
            *("-device", "virtio-net-pci,netdev=control,addr=0x3,romfile=,mac=52:54:00:77:00:00"),
            *("-netdev", ",".join(lan or ("hubport", "id=lan", "hubid=0"))),
            *("-device", "virtio-net-pci,netdev=lan,addr=0x4,romfile=,mac=52:54:00:77:01:00"),
        ]
        with contextlib.ExitStack() as files:
            passed = []
            if state:
                passed = [files.enter_context(open(state, "rb")).fileno()]
                words += ["-incoming", f"fd:{passed[0]}"]
            log = files.enter_context(open(self.directory / "qemu.log", "wb"))
            process = self.process = subprocess.Popen(
                words,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=passed,
                start_new_session=True,
            )
        (self.directory / "pid").write_text(f"{process.pid}\n")
        if not until(lambda: self.is_answering() or process.poll() is not None, 60) or process.poll() is not None:
            raise Failure(UNAVAILABLE, f"QEMU does not start:\n{self.last_words()}")

    def is_answering(self) -> bool:
        """Whether the control socket can be used."""
        try:
            with self.control(timeout=5):
                return True
        except OSError:
            return False

    def control(self, timeout: float = 60) -> QMP:
        """Connects to QEMU's control socket."""
        return QMP(self.directory / "qmp", timeout)

    def resume(self, timeout: float) -> None:
        """Waits until a saved state is loaded, and lets the host go on."""
        end = time.monotonic() + timeout
        while True:
            with contextlib.suppress(OSError), self.control() as control:
                if control.execute("query-status")["status"] != "inmigrate":
                    control.execute("cont")
                    return
            if not self.pid:
                raise Failure(UNAVAILABLE, "QEMU can't load the saved state")
            if time.monotonic() > end:
                raise Failure(UNAVAILABLE, f"the saved state was not loaded within {timeout:g} s")
            time.sleep(0.05)

    def ssh_port(self) -> int:
        """The port of 127.0.0.1 that leads to the host's SSH server."""
        with self.control() as control:
            forwards = control.monitor("info usernet")
        if found := re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s", forwards):
            return int(found[1])
        raise Failure(DEFECT, f"QEMU forwards no port to SSH:\n{forwards}")

    def save(self, name: str, timeout: float = 300) -> None:
        """Writes the state to a file of the directory, and ends QEMU."""
        with self.control(timeout) as control:
            control.execute("stop")
            control.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
            control.execute("migrate", uri=f"exec:cat > {name}")
            end = time.monotonic() + timeout
            while (status := control.execute("query-migrate"))["status"] != "completed":
                if status["status"] == "failed" or time.monotonic() > end:
                    reason = status.get("error-desc", f"not done within {timeout:g} s")
                    raise Failure(UNAVAILABLE, f"the state of the host can't be saved: {reason}\n{self.last_words()}")
                time.sleep(0.1)
        self.end()

    def end(self) -> None:
        """Ends QEMU; the host notices nothing."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not (pid := self.pid):
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if until(lambda: not self.pid, 10):
                return
        raise Failure(BUSY, f"the process {self.pid} (QEMU) can't be ended")

    def last_words(self, lines: int = 25) -> str:
        """QEMU's messages, and the last lines of the host's console."""
        texts = []
        for name in ("qemu.log", "console"):
            with contextlib.suppress(OSError):
                content = (self.directory / name).read_text(errors="replace").splitlines()
                # Expected of any model, as TCG knows fewer features.
                content = [line for line in content if line.strip() and "TCG doesn't support" not in line]
                texts += [f"  {name}: {line}" for line in content[-lines:]]
        return "\n".join(texts) or "  (QEMU and the console said nothing)"
