// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Bounds what is sent to hosts that may not exist.
///
/// The first packet to a host waits in the kernel until ARP or neighbour discovery has found the host. For an invented
/// address this takes three seconds, and each such packet occupies an entry in the kernel's table, which all programs
/// of the machine share. So only a limited number of unknown hosts is tried at a time. While half of the slots are
/// free, every host gets one; after that, only a host that asks again does, because real searchers repeat their search
/// (UDA 2.0 §1.3.2), while an attacker invents new addresses.
///
/// A host that searches by unicast has found this host by ARP first, and the kernel knows it from that; so unicast
/// needs few slots.
struct UnknownHostLimiter: Sendable {
    /// Slots for hosts that searched by multicast, and for those that searched by unicast; each number applies to IPv4
    /// and again to IPv6. The kernel's tables have 1,024 entries by default.
    var multicastSlots = 288
    var unicastSlots = 32
    /// How long the kernel tries to find a host: by default three times, one second apart.
    var trialTime = Duration.seconds(4)
    /// How long a rejected host is remembered.
    var memory = Duration.seconds(6)
    /// The largest number of remembered hosts.
    var maximumRemembered = 4096

    private enum Kind: Hashable, Sendable {
        case multicast(isV4: Bool)
        case unicast(isV4: Bool)
    }

    private struct Slot: Sendable {
        let kind: Kind
        let end: ContinuousClock.Instant
    }

    private var slots: [Neighbour: Slot] = [:]
    private var used: [Kind: Int] = [:]
    private var rejected: [Neighbour: ContinuousClock.Instant] = [:]

    /// Creates free slots.
    init() {}

    /// Whether the host holds a slot.
    func holds(_ host: Neighbour) -> Bool { slots[host] != nil }

    /// Reserves a slot for the host.
    /// - Returns: whether it got one.
    mutating func take(_ host: Neighbour, isMulticast: Bool, at now: ContinuousClock.Instant = .now) -> Bool {
        let isV4 = host.address.isV4
        let kind: Kind = isMulticast ? .multicast(isV4: isV4) : .unicast(isV4: isV4)
        let limit = isMulticast ? multicastSlots : unicastSlots
        if used[kind, default: 0] >= limit / 2 { removeEnded(at: now) }
        let count = used[kind, default: 0]
        let isRepeating = rejected[host].map { now - $0 <= memory } ?? false
        guard count < limit / 2 || isRepeating && count < limit else {
            remember(host, at: now)
            return false
        }
        rejected[host] = nil
        slots[host] = Slot(kind: kind, end: now + trialTime)
        used[kind] = count + 1
        return true
    }

    /// Frees the slot: the host was found, or given up.
    mutating func free(_ host: Neighbour) {
        guard let slot = slots.removeValue(forKey: host) else { return }
        used[slot.kind, default: 1] -= 1
    }

    private mutating func removeEnded(at now: ContinuousClock.Instant) {
        for (host, slot) in slots where slot.end <= now { free(host) }
    }

    private mutating func remember(_ host: Neighbour, at now: ContinuousClock.Instant) {
        if rejected.count >= maximumRemembered, rejected[host] == nil {
            rejected = rejected.filter { now - $0.value <= memory }
            if rejected.count >= maximumRemembered {
                let times = rejected.values.sorted()
                let limit = times[times.count / 2]
                rejected = rejected.filter { $0.value > limit }
            }
        }
        rejected[host] = now
    }
}
