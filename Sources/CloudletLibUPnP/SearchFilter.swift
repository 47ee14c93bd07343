import CloudletDiscovery
import CloudletNetwork

/// Lets libupnp hear searches only that deserve an answer, and of those a bounded number. libupnp 1.8 answers prefixes of
/// its types, any protocol version and every flood, waits as long as a searcher says, and overhears unicast searches.
struct SearchFilter: Sendable {
    let device: UPnPDevice
    /// Where libupnp is.
    let address: IPAddress
    private var budget = ReplyBudget()

    init(device: UPnPDevice, address: IPAddress) {
        self.device = device
        self.address = address
    }

    /// The search as libupnp understands it, by multicast and with a waiting time it may keep; `nil` for all else.
    mutating func pass(
        _ datagram: [UInt8], from source: IPAddress, at now: ContinuousClock.Instant = .now
    ) -> [UInt8]? {
        guard let message = SSDPMessage(datagram), let search = search(message) else { return nil }
        let answers = device.answers(to: search.target).count
        guard answers > 0, budget.allow(answers, to: source, at: now) else { return nil }
        return SSDPMessage(
            .search,
            [
                ("HOST", "\(Endpoint(SSDPGroup.v4, 1900))"), ("MAN", "\"ssdp:discover\""),
                ("MX", String(search.maximumWait ?? 1)), ("ST", search.target),
            ]
        ).bytes
    }

    /// One socket hears both kinds: a search by unicast is one whose HOST is this address.
    private func search(_ message: SSDPMessage) -> SSDPSearch? {
        if let search = SSDPSearch(multicast: message, to: SSDPGroup.v4) { return search }
        guard message["HOST"].flatMap({ Endpoint($0) }) == Endpoint(address, 1900) else { return nil }
        return SSDPSearch(unicast: message)
    }
}
