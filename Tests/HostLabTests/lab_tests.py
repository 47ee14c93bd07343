# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""The commands of Scripts/host-lab, and what its hosts consist of."""

import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from lab.hostlab.host import HOSTS, Host
from lab.processes import with_command_line

from .support import PROGRAM, HostTestCase, host_lab


class LabTests(HostTestCase):
    """One host, used by several commands."""

    def test_host_is_whole(self) -> None:
        """A host has what an installed Debian has, and its clock is right, though its state is old."""
        self.assertEqual(
            self.run_on(0, "cat /proc/1/comm; systemctl is-system-running; hostname"), "systemd\nrunning\ntest\n"
        )
        self.run_on(0, "aa-status --enabled; systemctl is-active avahi-daemon; virsh -c qemu:///system list")
        self.assertAlmostEqual(float(self.run_on(0, "date +%s.%N")), time.time(), delta=2)

    def test_kvm_runs_guest_code(self) -> None:
        """KVM executes a boot sector that ends its emulator with the status 2 * 0x31 + 1."""
        boot = bytes([0xB0, 0x31, 0xE6, 0xF4, 0xF4]).ljust(510, b"\0") + b"\x55\xaa"  # mov al,0x31; out 0xf4,al; hlt
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "boot").write_bytes(boot)
            self.hosts[0].send([Path(directory, "boot")], "/root")
        script = """timeout 60 qemu-system-x86_64 -accel kvm -nodefaults -display none -no-reboot -m 32 \
            -device isa-debug-exit,iobase=0xf4,iosize=1 -drive file=/root/boot,format=raw || echo $?"""
        self.assertEqual(self.run_on(0, script), "99\n")

    def test_run(self) -> None:
        """`run` passes on words, standard streams and the exit status, and ends what takes too long."""
        done = host_lab("run", "--name", "test", "printf", "%s|", "a b", "$HOME", "'")
        self.assertEqual((done.returncode, done.stdout), (0, "a b|$HOME|'|"))
        done = host_lab("run", "--name", "test", "cat; echo oh >&2; exit 7", input="in")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, "in", "oh\n"))
        done = host_lab("run", "--name", "test", "--timeout", "1", "sleep 60 & wait")
        self.assertEqual((done.returncode, done.stderr), (124, "host-lab: the command was ended after 1 s\n"))

    def test_copy(self) -> None:
        """`copy` keeps content, modes and holes, in both directions."""
        with tempfile.TemporaryDirectory() as directory:
            there, back = Path(directory, "there"), Path(directory, "back")
            there.mkdir()
            back.mkdir()
            (there / "a 'file'").write_text("content")
            (there / "program").write_text("#!/bin/sh\n")
            (there / "program").chmod(0o755)
            with open(there / "disk", "wb") as disk:
                disk.truncate(1 << 30)
                disk.seek(1 << 29)
                disk.write(b"data")
            self.assertEqual(host_lab("copy", "--name", "test", there, ":/root/copies").returncode, 0)
            self.assertEqual(host_lab("copy", "--name", "test", ":/root/copies/there", back).returncode, 0)
            self.assertEqual(subprocess.run(["diff", "-r", there, back / "there"], check=False).returncode, 0)
            self.assertTrue(os.access(back / "there/program", os.X_OK))
            self.assertLess((back / "there/disk").stat().st_blocks * 512, 1 << 20)
            self.assertLess(int(self.run_on(0, "du -k /root/copies/there/disk | cut -f1")), 1024)

    def test_wrong_use(self) -> None:
        """Each wrong use has its exit status, and a message that says what to do."""
        for words, status, text in (
            (["start", "--name", "test"], 75, "'Scripts/host-lab stop --name test' ends it"),
            (["run", "--name", "absent", "true"], 66, "host 'absent' does not run; 'Scripts/host-lab start' starts it"),
            (["copy", "--name", "test", "/absent", ":/root"], 66, "there is no file /absent"),
            (["copy", "--name", "test", ":/absent", "/tmp"], 69, "absent"),
            (["copy", "a", "b"], 64, "FILE... :DIRECTORY or :FILE... DIRECTORY"),
            (["start", "--name", "../x"], 2, "is not a name of small letters, digits and hyphens"),
            (["run", "--name", "test"], 64, "run needs a command"),
        ):
            with self.subTest(words=words):
                done = host_lab(*words)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(text, done.stderr)


class StartTests(unittest.TestCase):
    """Hosts that do not start, and what is left of hosts that end."""

    def tearDown(self) -> None:
        """Ends a host that a failed test left."""
        Host("brief").stop()

    def test_stop_leaves_nothing(self) -> None:
        """After the start of a host and its stop, or its death, no process and no file of it is left."""
        for death in (False, True):
            self.assertEqual(host_lab("start", "--name", "brief").returncode, 0)
            if death:
                os.kill(Host("brief").emulator.pid or 0, 9)
                done = host_lab("run", "--name", "brief", "true")
                self.assertEqual(done.returncode, 66)
                self.assertEqual(host_lab("list").stdout, "brief ended\n")
            self.assertEqual(host_lab("stop", "--name", "brief").returncode, 0)
            self.assertEqual(
                with_command_line("lab.hostlab.lan") + with_command_line("qemu-system", "52:54:00:77:"), []
            )
            self.assertEqual([path.name for path in HOSTS.iterdir()], [".lock"])

    def test_machine_that_does_not_boot(self) -> None:
        """A host that does not come up is reported at once, with the last lines of its console."""
        done = host_lab("start", "--name", "brief", "--memory", "96")
        self.assertEqual(done.returncode, 69)
        self.assertIn("the host has ended", done.stderr)
        self.assertIn("console: ", done.stderr)

    def test_machine_that_qemu_refuses(self) -> None:
        """QEMU's own message is shown."""
        done = host_lab("start", "--name", "brief", "--cpu", "nonsense")
        self.assertEqual(done.returncode, 69)
        self.assertIn("unable to find CPU model 'nonsense'", done.stderr)

    def test_no_room(self) -> None:
        """Without room for an image, the message says how much is needed."""
        if os.geteuid():
            self.skipTest("mounting a small file system needs root")
        with tempfile.TemporaryDirectory() as directory:
            script = f"mount -t tmpfs -o size=64m small '{directory}'; XDG_CACHE_HOME='{directory}' '{PROGRAM}' build"
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False
            )
        self.assertEqual(done.returncode, 73)
        self.assertIn("GiB of free space; 6 GiB are needed", done.stderr)
