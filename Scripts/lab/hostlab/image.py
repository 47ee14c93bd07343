# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Makes the disk of a host from Debian's packages: `python3 -m lab.hostlab.image RELEASE`, as root or as root of a user
namespace, in an empty directory. Leaves `entry` there, with disk.raw, vmlinuz, initrd and the SSH key."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .recipe import EXCLUDED, INSTALLED, KEPT_DRIVERS, RELEASES, ROOTFS, Release

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DISK_SIZE = "16G"
UNITS = ("hold-kvm.service",)
# They have nothing to do in a host without network that lives for minutes, but are due whenever it starts.
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer", "e2scrub_all.timer", "e2scrub_reap.service")


def run(*words: str | Path) -> None:
    """Runs a command; raises an exception when it fails."""
    print("+", *words, flush=True)
    subprocess.run(words, check=True)


def settings_of_apt() -> str:
    """The settings of this machine's apt for proxies, retries and so on."""
    kept = ("http", "https", "Retries", "ForceIPv", "Check-Valid-Until", "Check-Date")
    lines = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout.splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith(tuple(f"Acquire::{name}" for name in kept)))


def may_create_devices() -> bool:
    """Whether device nodes can be created and used here; otherwise mmdebstrap needs mounts."""
    node = Path("null")
    try:
        os.mknod(node, 0o20600, os.makedev(1, 3))
        node.write_bytes(b"")
        return True
    except OSError:
        return False
    finally:
        node.unlink(missing_ok=True)


def install_packages(release: Release, root: Path) -> None:
    """Makes the root file system; the files of the recipe come before the packages that read them."""
    Path("apt.conf").write_text(settings_of_apt())
    Path("sources.list").write_text(release.sources)
    options = [f"--dpkgopt=path-exclude={path}" for path in EXCLUDED]
    options += [
        f"--dpkgopt=path-include={base}/modules/*/kernel/drivers/{path}*"
        for base in ("/lib", "/usr/lib")
        for path in KEPT_DRIVERS
    ]
    if may_create_devices():
        options.append("--skip=chroot/mount")
    # The lists stay in the host, so that apt finds the packages of its cache.
    options += ["--skip=cleanup/apt", f"--aptopt={Path('apt.conf').resolve()}", f"--keyring={KEYRING}"]
    options += [f"--include={','.join(INSTALLED)}", f"--essential-hook=sync-in {ROOTFS} /"]
    download = f"apt-get install --yes --no-install-recommends --download-only {' '.join(release.cached)}"
    options.append(f'--customize-hook=chroot "$1" sh -c "apt-get clean && {download}"')
    run(
        *("mmdebstrap", "--mode=root", "--variant=important", "--architectures=amd64"),
        *options,
        *(release.suite, root, "sources.list"),
    )


def configure(root: Path, entry: Path) -> None:
    """Lets the owner of the key in, and enables the units of the recipe."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "host-lab", "-f", entry / "key")
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(entry / "key.pub", root / "root/.ssh/authorized_keys")
    run("systemctl", f"--root={root}", "enable", *UNITS)
    run("systemctl", f"--root={root}", "mask", *MASKED)
    # mmdebstrap leaves these as they were on this machine.
    (root / "etc/resolv.conf").write_text("")
    (root / "etc/hostname").write_text((ROOTFS / "etc/hostname").read_text())
    (root / "etc/machine-id").write_text("")


def make_disk(root: Path, entry: Path) -> None:
    """Writes the root file system to a disk without partitions; the kernel is started by QEMU."""
    for name in ("vmlinuz", "initrd.img"):
        shutil.move(next((root / "boot").glob(f"{name}-*")), entry / name.removesuffix(".img"))
    disk = entry / "disk.raw"
    run("truncate", "--size", DISK_SIZE, disk)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-E", "root_owner=0:0", "-d", root, disk)
    disk.chmod(0o444)


def main() -> None:
    """Makes the disk in the current directory."""
    os.umask(0o022)
    os.environ.update(LC_ALL="C.UTF-8", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    release = RELEASES[int(sys.argv[1])]
    root, entry, temporary = Path("root"), Path("entry"), Path("tmp")
    entry.mkdir()
    temporary.mkdir()
    os.environ["TMPDIR"] = str(temporary.resolve())
    install_packages(release, root)
    configure(root, entry)
    make_disk(root, entry)


if __name__ == "__main__":
    main()
