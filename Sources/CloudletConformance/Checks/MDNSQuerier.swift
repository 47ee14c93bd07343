// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Sends queries as a full mDNS host does, from port 5353, so that the answers are multicast.
struct MDNSQuerier: Sendable {
    let link: TestLink
    let node: IPAddress
    let socket: RecordingSocket

    init(_ context: CheckContext) throws(CloudletError) {
        link = context.link
        node = context.device.address
        socket = try context.link.queryPort(port: 5353, hops: 255)
    }

    /// The node's multicast answers over IPv4.
    func answers(since time: ContinuousClock.Instant) -> [ReceivedDNSMessage] {
        link.dns(since: time).filter { $0.packet.isResponse && $0.source.address == node }
    }

    /// Sends a multicast query. A record is multicast once a second at most, so this waits a second first.
    /// - Returns: the first answer with a record that fulfils `wanting`; `nil` when there is none.
    func multicast(
        _ name: DNSLabels, _ type: UInt16, tries: Int = 2, wanting: (DNSPacket.Record) -> Bool
    ) async -> ReceivedDNSMessage? {
        for _ in 0..<tries {
            await pause(1.1)
            let start = ContinuousClock.now
            socket.send(DNSPacket.query(name, type).bytes, to: .mdnsV4)
            for await _ in link.arrivals(for: .milliseconds(600)) {
                if let answer = answers(since: start).first(where: { $0.packet.records.contains(where: wanting) }) {
                    return answer
                }
            }
        }
        return nil
    }

    /// Sends a packet, at least a second after any earlier one, and listens for half a second.
    /// - Returns: the milliseconds until the first multicast answer with a record that fulfils `wanting`, and the
    ///   number of such answers.
    func reaction(_ packet: DNSPacket, wanting: (DNSPacket.Record) -> Bool) async -> (delay: Int?, count: Int) {
        await pause(1.1)
        let start = ContinuousClock.now
        socket.send(packet.bytes, to: .mdnsV4)
        await pause(0.6)
        let matching = answers(since: start).filter { $0.packet.records.contains(where: wanting) }
        return (matching.first.map { ($0.time - start).milliseconds }, matching.count)
    }
}
