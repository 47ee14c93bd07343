# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Prints the ids of the nodes that python-zeroconf finds: zeroconf_finder ADDRESS-OF-THE-INTERFACE"""

import sys
import time

import zeroconf


class Listener(zeroconf.ServiceListener):  # type: ignore[misc]
    """Prints the id of each service."""

    def add_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
        """Prints the id of a new service."""
        info = zc.get_service_info(type_, name)
        if info and (found := info.properties[b"id"]):
            print(found.decode(), flush=True)

    def update_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
        """Does nothing: only new services are printed."""

    def remove_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
        """Does nothing: only new services are printed."""


def main() -> None:
    """Searches for ten seconds."""
    finder = zeroconf.Zeroconf(interfaces=[sys.argv[1]])
    zeroconf.ServiceBrowser(finder, "_cloudlet._tcp.local.", Listener())
    time.sleep(10)


if __name__ == "__main__":
    main()
