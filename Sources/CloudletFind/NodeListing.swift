// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletCore
import CloudletDiscovery
import CloudletFinding
import CloudletNetwork

/// Prints each node as soon as it is found.
struct NodeListing: Sendable {
    let search: SearchOptions
    let node: String?

    func run() async throws {
        let finder = try search.finder()
        let shown = NodeLine(json: search.printsJSON, signs: search.watch)
        let count = try await finder.withEvents { events in
            // The search can't fail from here on, so the header can be printed.
            if !search.printsJSON { Console.result(NodeLine.header(signs: search.watch)) }
            var count = 0
            for await event in events {
                switch event {
                case .found(let found) where matches(found):
                    count += 1
                    try shown.print("+", found)
                case .updated(let found) where search.watch && matches(found): try shown.print("*", found)
                case .lost(let found) where matches(found):
                    if search.watch { try shown.print("-", found) }
                default: break
                }
                if Console.isClosed { break }
            }
            return count
        }
        if count == 0, !search.watch {
            if let node, !finder.found.isEmpty { throw search.noneCalled(node) }
            throw search.nothingFound(finder)
        }
        markDead(finder.unverified)
    }

    /// Prints the nodes that were announced, or are known from earlier searches, but do not answer.
    private func markDead(_ claims: [UnverifiedNode]) {
        for claim in claims.prefix(Self.maximumDead) {
            let name = claim.name.map { " (\($0.displayable(limit: 60)))" } ?? ""
            Console.note("dead: \(claim.address)\(name): \(claim.reason.displayable())")
        }
        if claims.count > Self.maximumDead { Console.note("dead: \(claims.count - Self.maximumDead) more") }
    }

    private static let maximumDead = 10

    private func matches(_ found: FoundNode) -> Bool { node.map { found.isCalled($0) } ?? true }
}

/// Formats a node as one line.
struct NodeLine: Sendable {
    let json: Bool
    let signs: Bool

    private static let widths = [24, 16, 6, 8, 6, 10, 12]

    static func header(signs: Bool) -> String {
        (signs ? "  " : "") + line(["NAME", "ADDRESS", "PORT", "RTT", "LOAD", "FREE", "FOUND BY", "BASES"])
    }

    func print(_ sign: String, _ node: FoundNode) throws(CloudletError) {
        if json {
            try Console.jsonLine(NodeEvent(event: sign == "-" ? "lost" : sign == "*" ? "updated" : "found", node: node))
            return
        }
        let status = node.status
        let milliseconds = Int((node.roundTripMilliseconds * 10).rounded())
        Console.result(
            (signs ? sign + " " : "")
                + Self.line([
                    node.name.displayable(limit: 60), node.address, String(node.synthesisPort),
                    "\(milliseconds / 10).\(milliseconds % 10)ms", status.map { String($0.load) } ?? "-",
                    status.map { ByteCount($0.freeMemory).description } ?? "-",
                    node.origins.map(\.rawValue).sorted().joined(separator: ","),
                    status.map { status in
                        let bootable = (status.bootableBases ?? []).map { "\($0.hash.prefix(12)) (can only boot)" }
                        return (status.bases.map { String($0.hash.prefix(12)) } + bootable).joined(separator: ",")
                    } ?? "-",
                ]))
    }

    private static func line(_ cells: [String]) -> String {
        cells.enumerated().map { index, cell in
            index < widths.count ? cell + String(repeating: " ", count: max(0, widths[index] - cell.count)) : cell
        }.joined(separator: "  ")
    }
}

/// A line of JSON output.
private struct NodeEvent: Encodable {
    let event: String
    let node: FoundNode
}

extension FoundNode {
    /// Whether `word` is the node's name, address or id.
    func isCalled(_ word: String) -> Bool {
        name.lowercased() == word.lowercased() || addresses.contains(word) || key == word
            || addresses.contains { ScopedAddress($0)?.withoutZone.description == word }
    }
}
