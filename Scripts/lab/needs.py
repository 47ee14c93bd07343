"""What a benchmark or a soak needs: programs that are there before it begins, and a base VM with an overlay."""
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PATH = "/usr/sbin:/sbin:" + os.environ.get("PATH", "/usr/bin:/bin")


def missing(*programs):
    """Those of some programs that can't be run; a path names one outside of PATH."""
    return [str(program) for program in programs if not shutil.which(str(program), path=PATH)]


def need(*programs):
    """Ends the program unless all these programs are there. Scripts/bench and Scripts/soak install packages before."""
    if absent := missing(*programs):
        subject = Path(sys.argv[0])
        print(f"{subject.name}: {', '.join(absent)}: not there; 'Scripts/{'soak' if subject.parent.name == 'soaks' else 'bench'} "
              f"{subject.name}' installs what it needs from Debian's packages (Scripts/setup)", file=sys.stderr)
        raise SystemExit(69)


def need_root():
    """Ends the program unless it may make network namespaces."""
    if os.geteuid():
        print(f"{Path(sys.argv[0]).name}: network namespaces need root", file=sys.stderr)
        raise SystemExit(77)


def build(configuration, *products):
    """Builds what is measured."""
    if missing("swift"):
        print(f"{Path(sys.argv[0]).name}: swift: not there; README.md tells which toolchain to install", file=sys.stderr)
        raise SystemExit(69)
    for product in products:
        done = subprocess.run(["swift", "build", "-c", configuration, "--product", product], cwd=CHECKOUT,
                              stdout=sys.stderr, check=False)
        if done.returncode:
            raise SystemExit(f"{product} can't be built")


@contextmanager
def fixture(demo):
    """The directory that `Scripts/demo --keep` left: guest.raw with its base VM, home, and the overlay face. Without one
    the same is made, and removed in the end."""
    if demo:
        absent = [name for name in ("home", "face") if not (demo / name).is_dir()]
        if absent:
            raise SystemExit(f"{demo} has no {' and no '.join(absent)}: it is not what 'Scripts/demo --keep' leaves")
        yield demo.resolve()
        return
    from chain import Chain
    root = tempfile.mkdtemp(prefix="cb-", dir="/var/tmp")
    try:
        print("making a base VM and an overlay, which takes some minutes; --demo names one that is there", file=sys.stderr)
        try:
            chain = Chain(root, 256)
        except RuntimeError as error:
            raise SystemExit(f"the base VM and its overlay can't be made: {error}") from None
        os.rename(chain.overlay, f"{chain.root}/face")
        yield Path(chain.root)
    finally:
        subprocess.run(["chmod", "-R", "u+w", root], check=False)
        shutil.rmtree(root, ignore_errors=True)
