# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Failures that end the program with a message."""


class Failure(Exception):
    """A failure with the exit status of the program; the message says what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


# Exit statuses, as in README.md.
WRONG_USE, NO_SUCH_HOST, UNAVAILABLE, DEFECT, NO_ROOM, BUSY = 64, 66, 69, 70, 73, 75
