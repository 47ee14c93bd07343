# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Runs a program under the system-call filter of a systemd unit, as systemd would.

unit_sandbox.py UNIT PROGRAM [ARGUMENT...]

The groups are those of the installed systemd-analyze; what the unit does not allow gets its SystemCallErrorNumber,
EPERM.
"""

import contextlib
import errno
import os
import subprocess
import sys

import seccomp

groups, current = {}, None
listing = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True).stdout
for line in listing.splitlines():
    word = line.split()[0] if line.split() else ""
    if line.startswith("@"):
        current = groups.setdefault(word, [])
    elif word and not word.startswith("#") and current is not None:
        current.append(word)


def resolve(name):
    return set().union(*map(resolve, groups.get(name, []))) if name.startswith("@") else {name}


base = resolve("@default")
allowed = set(base)
for line in open(sys.argv[1]):
    if not line.startswith("SystemCallFilter="):
        continue
    words = line.strip().partition("=")[2]
    names = set().union(*(resolve(word) for word in words.lstrip("~").split()))
    allowed = allowed - (names - base) if words.startswith("~") else allowed | names
assert len(allowed) > 150, "the filter was not understood"

rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
for name in allowed:
    with contextlib.suppress(RuntimeError):  # a call of another architecture
        rules.add_rule(seccomp.ALLOW, name)
rules.load()
os.execv(sys.argv[2], sys.argv[2:])
