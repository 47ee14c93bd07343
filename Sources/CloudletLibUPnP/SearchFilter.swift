// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery
import CloudletNetwork

/// Passes to libupnp only searches that deserve an answer, and a limited number of them. libupnp 1.8 also answers
/// prefixes of its types, any protocol version and every flood, waits as long as a searcher says, and ignores unicast
/// searches.
struct SearchFilter: Sendable {
    let device: UPnPDevice
    /// The address that libupnp uses.
    let address: IPAddress
    private var budget = ReplyBudget()

    init(device: UPnPDevice, address: IPAddress) {
        self.device = device
        self.address = address
    }

    /// Returns the search in the form that libupnp understands: as multicast, with a waiting time within bounds; `nil`
    /// for everything else.
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

    /// One socket receives both kinds of search: a unicast search is one whose HOST is this address.
    private func search(_ message: SSDPMessage) -> SSDPSearch? {
        if let search = SSDPSearch(multicast: message, to: SSDPGroup.v4) { return search }
        guard message["HOST"].flatMap({ Endpoint($0) }) == Endpoint(address, 1900) else { return nil }
        return SSDPSearch(unicast: message)
    }
}
