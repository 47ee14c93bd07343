# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Waits for conditions that no event announces."""

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], timeout: float, interval: float = 0.1) -> bool:
    """Waits until a condition holds; returns whether it does within `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval)
    return True
