# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Hosts on the LAN of the lab."""

from typing import ClassVar

from .support import HostTestCase


class LanTests(HostTestCase):
    """Two hosts, which went on from the same saved state."""

    releases: ClassVar[dict[str, int]] = {"left": 12, "right": 12}

    def test_hosts_see_each_other(self) -> None:
        """They reach each other by unicast and multicast, and know each other's names."""
        self.run_on(0, "ping -c 3 -i 0.2 -w 20 192.168.77.2")
        self.run_on(1, "avahi-publish -s 'Right service' _lab._tcp 9 >/dev/null 2>&1 &")
        seen = self.run_on(
            0, "for i in $(seq 30); do avahi-browse -rtp _lab._tcp | grep '^=;enp0s4;IPv4' && break; sleep 0.5; done"
        )
        self.assertIn(";right.local;192.168.77.2;9;", seen)

    def test_streams_arrive_whole(self) -> None:
        """A stream of 16 MiB passes the LAN unchanged."""
        self.run_on(1, "head -c 16M /dev/urandom >/root/data; cd /root; python3 -m http.server 8000 >/dev/null 2>&1 &")
        there = self.run_on(1, "sha256sum </root/data")
        self.assertEqual(
            self.run_on(0, "curl -s --retry 20 --retry-connrefused http://192.168.77.2:8000/data | sha256sum"), there
        )

    def test_hosts_differ(self) -> None:
        """They draw different random numbers, and have different names and addresses."""
        for script in (
            "cat /proc/sys/kernel/random/uuid",
            "hostname",
            "ip -brief link show enp0s4",
            "ip -6 -brief address show enp0s4",
        ):
            self.assertNotEqual(self.run_on(0, script), self.run_on(1, script))

    def test_nothing_else_is_reached(self) -> None:
        """A host reaches no address outside of the lab."""
        routes = self.run_on(0, "ip -4 route | cut -d ' ' -f 1")
        self.assertEqual(sorted(routes.split()), ["10.0.2.0/24", "192.168.77.0/24"])
        self.run_on(0, "ip route add default via 10.0.2.2; ! curl -s -m 5 http://10.0.2.2/; ip route del default")
