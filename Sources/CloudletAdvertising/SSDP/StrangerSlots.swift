import CloudletCore
import CloudletNetwork

/// Bounds what is sent to hosts that may not exist.
///
/// The first packet to a host waits in the kernel until ARP or neighbour discovery has found it; for an invented address
/// that is three seconds, and each holds a place in the kernel's table, which all programs of the machine share. So at
/// most so many are tried at a time. While half of the places are free whoever asks gets one; after that only who asks
/// again does, as real searchers repeat their search (UDA 2.0 §1.3.2) and inventors of addresses invent new ones.
///
/// Who searches by unicast has found this host by ARP first and is known to the kernel by that; hence few places.
struct StrangerSlots: Sendable {
    /// Places for those who searched by multicast, and by unicast; each for IPv4 and again for IPv6. The kernel's tables
    /// have 1,024 entries by default.
    var multicastPlaces = 288
    var unicastPlaces = 32
    /// How long the kernel tries: three times a second apart, by default.
    var trialTime = Duration.seconds(4)
    /// How long one who was turned away is remembered.
    var memory = Duration.seconds(6)
    /// How many are remembered.
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
    private var turnedAway: [Neighbour: ContinuousClock.Instant] = [:]

    /// All places are free.
    init() {}

    /// Whether the host is being tried.
    func holds(_ host: Neighbour) -> Bool { slots[host] != nil }

    /// Gives the host a place.
    /// - Returns: whether it may be tried.
    mutating func take(_ host: Neighbour, isMulticast: Bool, at now: ContinuousClock.Instant = .now) -> Bool {
        let isV4 = host.address.isV4
        let kind: Kind = isMulticast ? .multicast(isV4: isV4) : .unicast(isV4: isV4)
        let places = isMulticast ? multicastPlaces : unicastPlaces
        if used[kind, default: 0] >= places / 2 { removeEnded(at: now) }
        let count = used[kind, default: 0]
        let isRepeating = turnedAway[host].map { now - $0 <= memory } ?? false
        guard count < places / 2 || isRepeating && count < places else {
            remember(host, at: now)
            return false
        }
        turnedAway[host] = nil
        slots[host] = Slot(kind: kind, end: now + trialTime)
        used[kind] = count + 1
        return true
    }

    /// Takes the place back: the host was found, or given up.
    mutating func free(_ host: Neighbour) {
        guard let slot = slots.removeValue(forKey: host) else { return }
        used[slot.kind, default: 1] -= 1
    }

    private mutating func removeEnded(at now: ContinuousClock.Instant) {
        for (host, slot) in slots where slot.end <= now { free(host) }
    }

    private mutating func remember(_ host: Neighbour, at now: ContinuousClock.Instant) {
        if turnedAway.count >= maximumRemembered, turnedAway[host] == nil {
            turnedAway = turnedAway.filter { now - $0.value <= memory }
            if turnedAway.count >= maximumRemembered {
                let times = turnedAway.values.sorted()
                let limit = times[times.count / 2]
                turnedAway = turnedAway.filter { $0.value > limit }
            }
        }
        turnedAway[host] = now
    }
}
