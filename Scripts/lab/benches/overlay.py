# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

# setup: build run guest bench
"""Measures the overlay engine in comparison with commands that a user could script, on images of a real guest, in one
run.

    Scripts/bench overlay [--rounds N] [--slow-rounds N] [--keep DIR] [--only PART,...]

  --rounds N   repetitions, each with all programs in alternating order (default 3)
  --slow-rounds N  repetitions of programs that take about a minute: those with xz or casync (default: as --rounds)
  --keep DIR   keep guest, base VMs and images in DIR, and use them again in the next run
  --only       creation, apply, import, memory, levels (default: all but levels; none: only make the images)

The pair of images is a Debian guest with 1 GiB of RAM and an 8 GiB sparse disk. Base: booted, system files in the
cache. Customised: an application of about 100 MB is installed and running, its installer is deleted. There are two
variants: "plain" (base without free page reporting, nothing discarded) and with guest help. All files are in the page
cache. CPU s is the user and system time of all processes. xdelta3 and zstd --patch-from process the memory image
only; this project's programs always process memory and disk. The rebuilt images are compared with cmp and qemu-img.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..fixture import remove_tree
from ..programs import CHECKOUT, build, need, parser, stop

GUEST = Path(__file__).with_name("overlay.guest")
# The limit of the resident memory of this project's programs: 256 MiB.
LIMIT = 268.4


@dataclass(frozen=True)
class Measure:
    """The result of a program: wall and processor seconds, the peak resident MB of its largest process, its output, and
    the size of the file it made."""

    wall: float
    cpu: float
    rss: float
    output: str
    size: int | None = None


Programs = dict[str, Callable[[], Measure]]


def run(*words: str | Path, environment: Mapping[str, str] | None = None) -> None:
    """Runs a program, which must succeed; its output is shown."""
    if code := subprocess.run(
        words, env={**os.environ, **(environment or {})}, stdout=sys.stderr, check=False
    ).returncode:
        stop(1, f"{words[0]} failed with {code}")


def measured(*words: str | Path, environment: Mapping[str, str] | None = None, until: str | None = None) -> Measure:
    """Runs a program to its end; its wall time ends with the line `until`, if given."""
    start = time.monotonic()
    child = subprocess.Popen(words, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, text=True)
    output, wall = "", None
    for line in child.stdout or ():
        output += line
        if line.strip() == until:
            wall = time.monotonic() - start
    _, status, usage = os.wait4(child.pid, 0)
    wall = wall or time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        stop(1, f"{' '.join(map(str, words))[:300]} ended with {child.returncode}")
    return Measure(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, output)


def shell(command: str, output: Path | None = None) -> Measure:
    """Measures a shell command, and the size of the file it makes."""
    took = measured("bash", "-c", "set -e -o pipefail; " + command)
    return Measure(took.wall, took.cpu, took.rss, took.output, output.stat().st_size if output else None)


class Table:
    """Collects the repetitions of several programs and prints them side by side."""

    def __init__(self, title: str, reference: str) -> None:
        self.title, self.reference = title, reference
        self.rows: dict[str, list[Measure]] = {}

    def add(self, name: str, result: Measure) -> None:
        """Adds a repetition."""
        numbers = f"CPU {result.cpu:.2f} s, wall {result.wall:.2f} s, RSS {result.rss:.0f} MB"
        print(f"  {name}: {numbers}", file=sys.stderr, flush=True)
        self.rows.setdefault(name, []).append(result)

    def cells(self, name: str, value: Callable[[Measure], float]) -> tuple[float, str]:
        """The median of a program, and its ratio to the reference with the spread over the rounds."""
        # Slow programs do not run in all rounds.
        rounds = zip(self.rows[name], self.rows[self.reference], strict=False)
        ratios = [value(mine) / value(ours) for mine, ours in rounds]
        median = statistics.median(map(value, self.rows[name]))
        ratio = median / statistics.median(map(value, self.rows[self.reference]))
        return median, f"{ratio:.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"

    def show(self, order: Programs) -> None:
        """Prints the table with rows in the order of the programs."""
        print(f"\n{self.title}  (ratio: peer / {self.reference}, medians; spread over the rounds)")
        print(f"{'':34} {'CPU s':>7} {'ratio':>20} {'wall s':>7} {'ratio':>20} {'RSS MB':>7} {'MB':>7}")
        for name in order:
            cpu, cpu_ratio = self.cells(name, lambda row: row.cpu)
            wall, wall_ratio = self.cells(name, lambda row: row.wall)
            rss, size = max(row.rss for row in self.rows[name]), self.rows[name][0].size
            megabytes = f"{size / 1e6:7.2f}" if size else f"{'':7}"
            print(f"{name:34} {cpu:7.2f} {cpu_ratio:>20} {wall:7.2f} {wall_ratio:>20} {rss:7.0f} {megabytes}")
        sys.stdout.flush()


class Bench:
    """The pair of images, and the parts of the benchmark that use it."""

    def __init__(self, directory: Path, rounds: int, slow_rounds: int, programs: Path) -> None:
        self.directory, self.rounds, self.slow_rounds = directory, rounds, slow_rounds
        self.cloudlet, self.engine = programs / "cloudlet", programs / "overlay-bench"
        self.scratch = directory / "scratch"
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        self.environment = {
            "CLOUDLET_HOME": str(directory / "home"),
            "BENCH_KEY": str(directory / "help.raw.key"),
            "BENCH_INSTALLER": str(directory / "installer.tar.gz"),
        }

    # The pair.

    def prepare(self) -> None:
        """Makes the images that do not exist yet."""
        if not (self.directory / "installer.tar.gz").exists():
            self.make_installer()
        for kind in ("help", "plain"):
            if not (self.directory / f"{kind}.d/disk.qcow2").exists():
                self.make_pair(kind)

    def make_pair(self, kind: str) -> None:
        """Makes a base VM and the images of its customised twin."""
        disk, pristine = self.directory / f"{kind}.raw", self.directory / "pristine.raw"
        if not disk.exists():
            if kind == "help":
                run(CHECKOUT / "Scripts/make-guest", "-o", disk, "--size", "8G")
            else:
                run("cp", "--sparse=always", pristine, disk)
        if kind == "help" and not pristine.exists():
            run("cp", "--sparse=always", disk, pristine)
        options = [] if kind == "help" else ["--no-free-page-reporting"]
        base = {**self.environment, "BENCH_STEP": "base"}
        run(self.cloudlet, "base", disk, "--memory", "1024", "--provision", GUEST, *options, environment=base)
        images = self.directory / f"{kind}.d"
        shutil.rmtree(images, ignore_errors=True)
        how = "discard" if kind == "help" else "keep"
        run(self.engine, "capture", disk, images, GUEST, how, environment={**self.environment, "BENCH_STEP": kind})

    def make_installer(self) -> None:
        """About 100 MB of typical program files: libraries, scripts and data of this host."""
        names, total = [], 0
        for root in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/python3", "/usr/share/perl", "/usr/share/i18n"):
            for directory, folders, files in sorted(os.walk(root)):
                folders.sort()
                for name in sorted(files):
                    path = Path(directory, name)
                    if not path.is_symlink() and path.is_file() and path.stat().st_size < 4_000_000:
                        if total > 100_000_000:
                            break
                        names.append(str(path))
                        total += path.stat().st_size
        listing = self.scratch / "names"
        listing.write_text("\n".join(names), encoding="utf-8")
        run("tar", "-C", "/", "-czf", self.directory / "installer.tar.gz", "-T", listing)

    # Helpers of the parts.

    def rotated(self, programs: Programs, number: int) -> list[str]:
        """Alternates the order: forwards, backwards, forwards, …"""
        names = list(programs)
        if number >= self.slow_rounds:
            names = [name for name in names if "xz" not in name and "casync" not in name]
        return names if number % 2 == 0 else names[::-1]

    def compare(self, title: str, reference: str, programs: Programs) -> Table:
        """Runs all programs in all rounds, and prints the table."""
        table = Table(title, reference)
        for number in range(self.rounds):
            for name in self.rotated(programs, number):
                table.add(name, programs[name]())
        table.show(programs)
        return table

    def fresh(self, name: str) -> Path:
        """A path in the scratch directory at which no file exists."""
        path = self.scratch / name
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        return path

    def create(self, kind: str, name: str, *how: str) -> Measure:
        """Creates an overlay with this project's program; returns the measurement."""
        path = self.fresh(name)
        words: list[str | Path] = [self.engine, "create", self.directory / f"{kind}.raw", self.directory / f"{kind}.d"]
        took = measured(*words, path, *how, environment=self.environment)
        return Measure(took.wall, took.cpu, took.rss, took.output, sum(file.stat().st_size for file in path.iterdir()))

    def rebuild(self, kind: str, overlay: str, check: bool = False) -> Measure:
        """Applies an overlay with this project's program until memory and disk are complete. The other programs leave
        files; this one keeps the memory only while it runs."""
        words: list[str | Path] = [
            self.engine,
            "apply",
            self.directory / f"{kind}.raw",
            self.scratch / overlay,
            self.fresh("out"),
        ]
        words += [self.directory / f"{kind}.d"] if check else []
        return measured(*words, environment=self.environment, until="rebuilt")

    def xdelta(self, output: Path) -> str:
        """The command that makes a patch of the memory image with xdelta3."""
        base, new = self.directory / "plain.base-mem", self.directory / "plain.d/memory"
        return f"xdelta3 -e -0 -f -S none -B 1200000000 -c -s {base} {new} | xz -6 -T0 > {output}"

    def zstd_patch(self, output: Path) -> str:
        """The command that makes a patch of the memory image with zstd."""
        base, new = self.directory / "plain.base-mem", self.directory / "plain.d/memory"
        return f"zstd -q -f -3 --long=31 --patch-from={base} {new} -o {output}"

    # The parts.

    def creation(self) -> None:
        """Measures making an overlay."""
        disk = self.directory / "plain.d/disk.qcow2"

        def peer(command: Callable[[Path], str], name: str) -> Callable[[], Measure]:
            return lambda: shell(command(self.fresh(name)), self.scratch / name)

        peers: Programs = {
            "xdelta3 -0 | xz -6 -T0 (memory)": peer(self.xdelta, "xd.xz"),
            "zstd -3 --patch-from (memory)": peer(self.zstd_patch, "p3.zst"),
            "xz -6 -T0 of the qcow2 (disk)": peer(lambda output: f"xz -6 -T0 < {disk} > {output}", "d.xz"),
            "zstd -3 of the qcow2 (disk)": peer(lambda output: f"zstd -q -f -3 --long=27 {disk} -o {output}", "d3.zst"),
        }
        ours: Programs = {
            "ours, zstd -3": lambda: self.create("plain", "o3", "zstd", "3"),
            "ours, zstd (default)": lambda: self.create("plain", "oz", "zstd"),
            "ours, xz (default)": lambda: self.create("plain", "ox", "xz"),
            "ours, zstd -3, guest help": lambda: self.create("help", "h3", "zstd", "3"),
            "ours, zstd (default), guest help": lambda: self.create("help", "hz", "zstd"),
            "ours, xz (default), guest help": lambda: self.create("help", "hx", "xz"),
        }
        table = self.compare("Creation of an overlay", "ours, zstd -3", {**ours, **peers})

        def smallest(kind: str) -> int:
            return min(table.rows[name][0].size or 0 for name in peers if kind in name)

        memory, both = smallest("(memory)"), smallest("(memory)") + smallest("(disk)")
        print(
            f"\nSize (ours: memory and disk): ratio to the best peer for memory alone, {memory / 1e6:.2f} MB, and to "
            f"the best for memory and disk, {both / 1e6:.2f} MB; peers without guest help"
        )
        for name in ours:
            size = table.rows[name][0].size or 0
            print(f"  {name:34} {size / memory:.3f}x {size / both:.3f}x")

    def apply(self) -> None:
        """Measures rebuilding RAM and disk from an overlay."""
        base, new = self.directory / "plain.base-mem", self.directory / "plain.d/memory"
        for name, how in (("oz", "zstd"), ("ox", "xz")):
            if not (self.scratch / name).exists():
                self.create("plain", name, how)
        for name, command in (("xd.xz", self.xdelta), ("p3.zst", self.zstd_patch)):
            if not (self.scratch / name).exists():
                run("bash", "-c", command(self.scratch / name))
        memory = Path("/dev/shm/cloudlet-bench-memory")

        def peer(command: str) -> Measure:
            memory.unlink(missing_ok=True)
            result = shell(command)
            run("cmp", memory, new)
            memory.unlink()
            return result

        for name in ("oz", "ox"):
            if "identical" not in self.rebuild("plain", name, check=True).output:
                stop(1, "the rebuilt images differ")
        xdelta = f"xz -dc -T0 {self.scratch}/xd.xz | xdelta3 -d -B 1200000000 -c -s {base} > {memory}"
        zstd = f"zstd -q -d --long=31 --patch-from={base} {self.scratch}/p3.zst -o {memory}"
        programs: Programs = {
            "ours, zstd": lambda: self.rebuild("plain", "oz"),
            "ours, xz": lambda: self.rebuild("plain", "ox"),
            "xz -d | xdelta3 -d (memory)": lambda: peer(xdelta),
            "zstd -d --patch-from (memory)": lambda: peer(zstd),
        }
        title = "Application: overlay to RAM and disk; both results identical to the originals"
        self.compare(title, "ours, zstd", programs)

    def imports(self) -> None:
        """Measures registering a base VM."""
        work = self.fresh("import")
        work.mkdir()
        images = (work / "b.raw", work / "b.base-mem")
        for image, source in zip(images, ("pristine.raw", "help.base-mem"), strict=True):
            run("cp", "--sparse=always", self.directory / source, image)
        data = sum(image.stat().st_blocks * 512 for image in images)
        whole = sum(image.stat().st_size for image in images)
        print(f"\nBase: {data / 1e6:.0f} MB of data in {whole / 1e6:.0f} MB")
        run("bash", "-c", f"cat {images[0]} {images[1]} > /dev/null")
        # The size of the images without their holes.
        sample = self.scratch / "data"
        run("bash", "-c", f"head -c {data} /dev/urandom > {sample}")

        def with_manifest() -> Measure:
            home = {"CLOUDLET_HOME": str(self.fresh("import-home"))}
            return measured(self.cloudlet, "add-base", images[0], environment=home)

        def ours() -> Measure:
            for file in work.iterdir():
                if file not in images:
                    file.unlink()
            return with_manifest()

        def casync() -> Measure:
            store = self.fresh("store")
            made = (
                f"casync make --store={store} {self.scratch}/{image.name}.caibx {image} > /dev/null" for image in images
            )
            return shell(" && ".join(made))

        programs: Programs = {
            "ours, with its manifest": with_manifest,
            "ours, without (identities and lists)": ours,
            "casync make": casync,
            "sha256sum": lambda: measured("sha256sum", *images),
            "sha256sum of the data only": lambda: measured("sha256sum", sample),
        }
        ours()
        self.compare("Import of a base VM", "ours, with its manifest", programs)

    def levels(self) -> None:
        """Prints the table from which the default levels and blob size were chosen."""
        print(
            f"\n{'overlay':24} {'kind':6} {'MB':>7} {'blobs':>6} {'create CPU s':>13} {'wall':>6} {'RSS MB':>7} "
            f"{'apply CPU s':>12} {'wall':>6} {'RSS MB':>7}"
        )
        ways = [("zstd", str(level)) for level in (1, 3, 6, 9, 12, 15, 19)]
        sized = [("zstd", "9", str(size << 20)) for size in (1, 2, 8, 16, 64)]
        windows = [("zstd", "9", str(size << 20), "26") for size in (16, 64)]
        ways_of_xz = [("xz", str(level)) for level in (0, 3, 6, 9)]
        sized_xz = [("xz", "6", str(size << 20)) for size in (1, 16)]
        kind = "help"
        for way in (*ways, *sized, *windows, *ways_of_xz, *sized_xz):
            created = self.create(kind, "level", *way)
            blobs = len(list((self.scratch / "level").iterdir())) - 1
            applied = self.rebuild(kind, "level")
            print(
                f"{' '.join(way):24} {kind:6} {(created.size or 0) / 1e6:7.2f} {blobs:6} {created.cpu:13.2f} "
                f"{created.wall:6.2f} {created.rss:7.0f} {applied.cpu:12.2f} {applied.wall:6.2f} {applied.rss:7.0f}",
                flush=True,
            )

    def memory(self) -> None:
        """Measures the peak RSS of all commands of this project, which must stay within 256 MiB even with the threads
        of a large machine."""
        worst = 0.0
        for workers in ("2", "32"):
            self.environment["CLOUDLET_WORKERS"] = workers
            for kind, how in (
                ("plain", ("xz",)),
                ("plain", ("zstd",)),
                ("help", ("zstd", "19")),
                ("help", ("xz", "9")),
            ):
                created = self.create(kind, "rss", *how)
                applied = self.rebuild(kind, "rss")
                worst = max(worst, created.rss, applied.rss)
                print(
                    f"\n{' '.join(how):8} {workers:>2} threads: peak RSS creation {created.rss:.0f} MB, "
                    f"application {applied.rss:.0f} MB",
                    end="",
                )
        del self.environment["CLOUDLET_WORKERS"]
        print(f"\nWorst: {worst:.0f} MB; limit 268 MB: {'ok' if worst < LIMIT else 'EXCEEDED'}")
        if worst >= LIMIT:
            raise SystemExit(1)


def main() -> None:
    """Runs the measurements with the given options."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--slow-rounds", type=int)
    arguments.add_argument("--keep", type=Path)
    arguments.add_argument("--only", default="creation,apply,import,memory")
    arguments.add_argument("--programs", type=Path, help="directory of built programs, instead of building them")
    options = arguments.parse_args()
    need("xdelta3", "xz", "zstd", "casync", "sha256sum", "qemu-img", "qemu-system-x86_64", "ssh", "mmdebstrap")
    programs: Path | None = options.programs
    if not programs:
        build("release", "cloudlet", "overlay-bench")
        programs = CHECKOUT / ".build/release"
    directory = (options.keep or Path(tempfile.mkdtemp(prefix="cloudlet-bench-"))).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    try:
        bench = Bench(directory, options.rounds, options.slow_rounds or options.rounds, programs)
        bench.prepare()
        parts: dict[str, Callable[[], None]] = {
            "creation": bench.creation,
            "apply": bench.apply,
            "import": bench.imports,
            "memory": bench.memory,
            "levels": bench.levels,
            "none": lambda: None,
        }
        for part in options.only.split(","):
            parts[part]()
    finally:
        remove_tree(directory / "scratch" if options.keep else directory)


if __name__ == "__main__":
    main()
