// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import Synchronization

/// Decides which hosts get answers, within limits that all endpoints of a node share.
final class ReplyDesk: Sendable {
    /// How answers to a host may be sent.
    enum Passage: Hashable, Sendable {
        /// Send all at once.
        case open
        /// Send one message, and the rest when the kernel has found the host; a slot for unknown hosts is reserved.
        case toUnknownHost
        /// An earlier answer to the host is waiting for the kernel to find it; add these to the kept ones.
        case waiting
        /// Do not send.
        case closed
    }

    /// An answer that waits until the kernel has found its receiver.
    struct Letter: Sendable {
        let message: SSDPMessage
        let receiver: Endpoint
        let sender: SSDPSender
    }

    private struct State {
        var budget = ReplyBudget()
        var slots = UnknownHostLimiter()
        /// The kept answers of the hosts that hold a slot.
        var letters: [Neighbour: [Letter]] = [:]
        /// Hosts that the kernel knew a moment ago, with the time until which this is assumed to hold.
        var known: [Neighbour: ContinuousClock.Instant] = [:]
        /// How many more questions to the kernel are allowed in the second that ends at `secondEnd`.
        var questions = 0
        var secondEnd = ContinuousClock.now
    }

    /// Questions to the kernel per second: each takes about 5 µs, and a flood may cause any number.
    private static let questionsPerSecond = 4000
    private static let maximumKnown = 1024
    /// The largest number of answers kept for one host; the budget for unknown hosts bounds the sum of all.
    private static let maximumLetters = 60

    private let table: NeighbourTable?
    private let state = Mutex(State())

    /// Creates a desk with full budgets. Where the kernel can't be asked, every host counts as known.
    init() { table = try? NeighbourTable() }

    /// Whether the kernel can send to the host at once.
    func knows(_ host: Neighbour) -> Bool { table?.knows(host) ?? true }

    /// Requests `count` answers to `host`. `isDirect` says that no hardware address has to be found first, as on this
    /// machine; `isMulticast` says that the host searched by multicast.
    func admit(_ count: Int, to host: Neighbour, isDirect: Bool, isMulticast: Bool) -> Passage {
        let now = ContinuousClock.now
        return state.withLock { state in
            guard state.budget.hasRoom(for: count, to: host.address, at: now) else { return .closed }
            if isDirect || isKnown(host, &state, at: now) {
                return state.budget.allow(count, to: host.address, at: now) ? .open : .closed
            }
            if state.slots.holds(host) {
                let kept = state.letters[host]?.count ?? 0
                guard kept + count <= Self.maximumLetters else { return .closed }
                return state.budget.allow(count, to: host.address, isKnown: false, at: now) ? .waiting : .closed
            }
            guard state.slots.take(host, isMulticast: isMulticast, at: now) else { return .closed }
            guard state.budget.allow(count, to: host.address, isKnown: false, at: now) else {
                state.slots.free(host)
                return .closed
            }
            state.letters[host] = []
            return .toUnknownHost
        }
    }

    /// Keeps answers for a host that holds a slot.
    func keep(_ letters: some Collection<Letter>, for host: Neighbour) {
        state.withLock { $0.letters[host]? += letters }
    }

    /// Frees the slot of an unknown host.
    /// - Returns: the answers kept for it.
    @discardableResult func release(_ host: Neighbour) -> [Letter] {
        state.withLock { state in
            state.slots.free(host)
            return state.letters.removeValue(forKey: host) ?? []
        }
    }

    private func isKnown(_ host: Neighbour, _ state: inout State, at now: ContinuousClock.Instant) -> Bool {
        if let end = state.known[host], now < end { return true }
        if now >= state.secondEnd {
            state.questions = Self.questionsPerSecond
            state.secondEnd = now + .seconds(1)
        }
        guard state.questions > 0 else { return false }
        state.questions -= 1
        guard knows(host) else {
            state.known[host] = nil
            return false
        }
        if state.known.count >= Self.maximumKnown { state.known = state.known.filter { $0.value > now } }
        // This is less than the kernel needs to give up a host that has stopped responding.
        if state.known.count < Self.maximumKnown { state.known[host] = now + .seconds(3) }
        return true
    }
}
