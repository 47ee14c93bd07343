# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""What a host consists of: the release of Debian, its packages, and the files in `rootfs`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOTFS = HERE / "rootfs"

# Added to Debian's default installation (the priorities "required" and "important").
INSTALLED = (
    *("linux-image-amd64", "openssh-server", "dbus", "polkitd", "python3", "curl", "ca-certificates"),
    *("apparmor", "avahi-daemon", "avahi-utils", "libnss-mdns"),
    *("qemu-system-x86", "qemu-utils", "libvirt-daemon-system", "libvirt-daemon-driver-qemu"),
    *("libvirt-clients", "dnsmasq-base"),
)

# Drivers that a VM has no devices for are most of the kernel's size; kvm_amd refers to crypto/ccp.
KEPT_DRIVERS = (
    *("acpi", "block", "char", "cpufreq", "crypto/ccp", "firmware", "input", "md", "net/dummy", "net/macvlan"),
    *("net/macvtap", "net/*failover", "net/tap", "net/tun", "net/veth", "net/virtio_net", "ptp", "rtc", "vhost"),
    *("virt", "virtio"),
)

# Not needed in a host that lives for minutes.
EXCLUDED = (
    *("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*"),
    *("/lib/modules/*/kernel/drivers/*", "/lib/modules/*/kernel/sound/*"),
    *("/usr/lib/modules/*/kernel/drivers/*", "/usr/lib/modules/*/kernel/sound/*"),
)


@dataclass(frozen=True)
class Release:
    """A release of Debian."""

    number: int
    suite: str
    # In apt's cache of the host, which has no network: the libraries that packages of this project depend on.
    cached: tuple[str, ...]

    @property
    def sources(self) -> str:
        """The content of sources.list."""
        return "".join(
            f"deb http://deb.debian.org/{archive} {self.suite}{pocket} main\n"
            for archive, pocket in (("debian", ""), ("debian", "-updates"), ("debian-security", "-security"))
        )

    @property
    def hash(self) -> str:
        """The name of this recipe: a hash of everything that determines the image but the versions of packages."""
        parts = hashlib.sha256(f"{self}".encode())
        for file in sorted(path for path in ROOTFS.rglob("*") if path.is_file()):
            parts.update(f"{file.relative_to(ROOTFS)} {file.stat().st_mode & 0o111}\n".encode() + file.read_bytes())
        for name in ("recipe.py", "image.py"):
            parts.update((HERE / name).read_bytes())
        return parts.hexdigest()[:16]


RELEASES = {
    12: Release(12, "bookworm", ("libupnp13", "libavahi-client3", "libsqlite3-0", "libzstd1", "liblzma5", "libvirt0")),
    13: Release(13, "trixie", ("libupnp17t64", "libavahi-client3", "libsqlite3-0", "libzstd1", "liblzma5", "libvirt0")),
}
