// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletSystem

/// The link, the device, the options and the hooks that every check needs.
struct CheckContext: Sendable {
    let link: TestLink
    let device: DeviceUnderTest
    let options: ConformanceOptions
    let hooks: HookRunner

    /// Sends a search from a separate port and collects the node's answers for some seconds.
    func ask(
        _ search: SearchText, to target: Endpoint = .ssdpV4, wait seconds: Double = 1.4, port: UInt16 = 0
    ) async -> [ReceivedMessage] {
        guard let queryPort = try? link.queryPort(port: port, v6: !target.address.isV4) else { return [] }
        queryPort.send(search.text, to: target)
        await pause(seconds)
        return answers(at: queryPort)
    }

    /// The node's answers that a socket has received.
    func answers(at queryPort: RecordingSocket) -> [ReceivedMessage] {
        queryPort.packets().compactMap(ReceivedMessage.init).filter {
            $0.message.isAnswer && (!$0.source.address.isV4 || $0.source.address == device.address)
        }
    }

    /// Returns an address whose searches the node must not answer although it has a route to it; a connection proves
    /// the route.
    func offLinkSource() async throws(CloudletError) -> IPAddress {
        guard let text = options.offLink, let source = IPAddress(text) else {
            throw CloudletError(
                .unavailable, "needs --off-link: an address of this host that is not on the node's network")
        }
        let target = device.location.endpoint
        let isReached = try await blocking { () throws(CloudletError) in
            Connection(to: target, from: Endpoint(source, 0)) != nil
        }
        guard isReached else { throw CloudletError(.unavailable, "the node has no route back to \(source)") }
        return source
    }

    /// Sends several searches at once, each from a separate port, and counts the answers to each.
    func counts(_ searches: [SearchText]) async -> [Int] {
        await withTaskGroup(of: (Int, Int).self) { group in
            for (index, search) in searches.enumerated() {
                group.addTask { (index, await ask(search).count) }
            }
            var result = [Int](repeating: 0, count: searches.count)
            for await (index, count) in group { result[index] = count }
            return result
        }
    }

    /// Whether the node answers a search for its device type, with a few tries.
    func isThere(tries: Int = 4) async -> Bool {
        for _ in 0..<tries where !(await ask(SearchText(options.deviceType), wait: 1.2)).isEmpty { return true }
        return false
    }

    /// Restarts the node when an earlier check has silenced it, so that each requirement is judged independently.
    func revive() async {
        guard hooks.has(.stop, .start) else { return }
        let answers = await HTTPProbe.get(device.location, timeout: .seconds(2)).status == 200
        if answers, await isThere(tries: 2) { return }
        _ = try? await hooks.run(.stop)
        await pause(1)
        _ = try? await hooks.run(.start)
        await pause(2)
    }

    /// Revives the node and finds its description again: some devices use another port after each start.
    func revived() async -> CheckContext {
        await revive()
        guard let found = try? await DeviceUnderTest.find(on: link, options) else { return self }
        return CheckContext(link: link, device: found, options: options, hooks: hooks)
    }

    /// Sends an mDNS question from a separate port, as one-shot resolvers do; the answers arrive at that port.
    func resolve(_ name: DNSLabels, _ type: UInt16, wait seconds: Double = 0.5) async -> [ReceivedDNSMessage] {
        guard let queryPort = try? link.queryPort(hops: 255) else { return [] }
        queryPort.send(DNSPacket.query(name, type).bytes, to: .mdnsV4)
        await pause(seconds)
        return queryPort.packets().compactMap(ReceivedDNSMessage.init).filter { $0.packet.isResponse }
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int { Int((seconds * 1000).rounded()) }
}
