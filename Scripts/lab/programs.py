# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""The programs that benchmarks and soaks use: installed ones, and those that this checkout builds."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRONMENT = dict(os.environ, PATH="/usr/sbin:/sbin:" + os.environ.get("PATH", "/usr/bin:/bin"))

# Arguments of commands.
Word = str | Path | int | float


def subject() -> str:
    """The name of the running benchmark or soak, for messages."""
    return Path(sys.argv[0]).stem


def stop(code: int, text: str) -> NoReturn:
    """Ends the program with an exit status and a message."""
    print(f"{subject()}: {text}", file=sys.stderr)
    raise SystemExit(code)


def missing(*programs: str | Path) -> list[str]:
    """The programs that can't be run; a path names a program outside of PATH."""
    return [str(program) for program in programs if not shutil.which(str(program), path=ENVIRONMENT["PATH"])]


def need(*programs: str | Path) -> None:
    """Ends the program unless all these programs are installed."""
    if absent := missing(*programs):
        stop(
            69, f"{', '.join(absent)} not found; Scripts/bench and Scripts/soak install what they need (Scripts/setup)"
        )


def need_root() -> None:
    """Ends the program unless it may create network namespaces."""
    if os.geteuid():
        stop(77, "network namespaces need root")


def build(configuration: str, *products: str) -> None:
    """Builds the programs to be measured."""
    if missing("swift"):
        stop(69, "swift not found; README.md names the toolchain to install")
    for product in products:
        words = ["swift", "build", "-c", configuration, "--product", product]
        if subprocess.run(words, cwd=CHECKOUT, stdout=sys.stderr, check=False).returncode:
            stop(1, f"{product} can't be built")


def program(name: str) -> str:
    """The path of a program of this checkout, the release build if there is one."""
    for configuration in ("release", "debug"):
        path = CHECKOUT / ".build" / configuration / name
        if path.exists():
            return str(path)
    stop(69, f"{name} is not built; run: swift build -c release")


def run(
    *words: str | Path, environment: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 900
) -> str:
    """Runs a program to its end; returns its output. Raises RuntimeError when it fails."""
    result = subprocess.run(
        words, capture_output=True, text=True, timeout=timeout, env=environment or ENVIRONMENT, cwd=cwd, check=False
    )
    if result.returncode:
        command = " ".join(map(str, words))
        raise RuntimeError(f"{command[:300]} ended with {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def parser(documentation: str | None) -> argparse.ArgumentParser:
    """A parser of options whose help is the docstring of a module."""
    return argparse.ArgumentParser(
        prog=subject(), description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
