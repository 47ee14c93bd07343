import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import Synchronization

/// Decides who is answered: keeps the bounds that all endpoints of a node share.
final class ReplyDesk: Sendable {
    /// How an answer may go.
    enum Passage: Hashable, Sendable {
        /// At once.
        case open
        /// One message, and the rest when the host turns out to be there; a place among the strangers was taken.
        case asStranger
        /// The host is being tried already; its answers wait with the others.
        case waiting
        /// Not at all.
        case closed
    }

    /// An answer that waits for its receiver to be found.
    struct Letter: Sendable {
        let message: SSDPMessage
        let receiver: Endpoint
        let sender: SSDPSender
    }

    private struct State {
        var budget = ReplyBudget()
        var slots = StrangerSlots()
        /// What waits for the hosts that have a place.
        var letters: [Neighbour: [Letter]] = [:]
        /// Hosts that were known a moment ago, with the time until which that is believed.
        var known: [Neighbour: ContinuousClock.Instant] = [:]
        /// Questions to the kernel that may still be asked in the second that ends at `secondEnd`.
        var questions = 0
        var secondEnd = ContinuousClock.now
    }

    /// Questions to the kernel in a second: each costs about 5 µs, and a flood may bring any number.
    private static let questionsPerSecond = 4000
    private static let maximumKnown = 1024
    /// Letters kept for one host; for all together it is the budget of strangers that bounds them.
    private static let maximumLetters = 60

    private let table: NeighbourTable?
    private let state = Mutex(State())

    /// A desk with full budgets. Where the kernel can't be asked, every host counts as known.
    init() { table = try? NeighbourTable() }

    /// Whether the kernel can send to the host at once.
    func knows(_ host: Neighbour) -> Bool { table?.knows(host) ?? true }

    /// Asks for `count` answers to `host`.
    /// `isDirect` says that no hardware address has to be found first, as on this machine; `isMulticast` that it searched by multicast.
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
            return .asStranger
        }
    }

    /// Keeps letters for a host that has a place.
    func keep(_ letters: some Collection<Letter>, for host: Neighbour) {
        state.withLock { $0.letters[host]? += letters }
    }

    /// Takes a stranger's place back.
    /// - Returns: what was kept for it.
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
        // Shorter than the kernel takes to give up a host that has fallen silent.
        if state.known.count < Self.maximumKnown { state.known[host] = now + .seconds(3) }
        return true
    }
}
