// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletCore
import CloudletFinding
import FoundationEssentials
import Glibc
import SystemPackage

/// Chooses the node that synthesizes an overlay.
struct NodeChoice: Sendable {
    let search: SearchOptions
    let node: String?
    let base: SHA256Digest
    /// Whether a node may boot the VM if it can't resume it.
    let allowBoot: Bool

    /// Returns the node to use.
    /// - Throws: `CloudletError.noNode` when no suitable node is found.
    func choose() async throws -> FoundNode {
        let finder = try search.finder()
        let found = try await collect(finder)
        if let node {
            if let match = found.first(where: { $0.isCalled(node) }) { return match }
            // `node` may be the address of a node that does not announce itself, so send a request to it.
            if let direct = try await ask(node) { return direct }
            throw found.isEmpty ? search.nothingFound(finder) : search.noneCalled(node)
        }
        guard let first = found.first else { throw search.nothingFound(finder) }
        if found.count > 1, isatty(STDIN_FILENO) == 1 { return try await ask(found) }
        if !allowBoot, !first.holds(base), let other = found.first(where: { $0.onlyBoots(base) }) {
            Console.note(
                "node \(other.name.displayable(limit: 60)) at \(other.address) can't resume the VM, but can boot it from "
                    + "its disk; --allow-boot allows that")
        }
        return first
    }

    /// Searches, and returns the nodes with the best one first. The search ends early when the named node is found or,
    /// if there is no person to choose, the first node that has the base VM. The node's IPv4 address must be known by
    /// then, because forwards are opened on IPv4 addresses only.
    private func collect(_ finder: Finder) async throws -> [FoundNode] {
        let asks = isatty(STDIN_FILENO) == 1
        return try await finder.find(wanting: base, allowingBoot: allowBoot) { [node, base] found in
            found.contains { $0.ipv4Address != nil && (node.map($0.isCalled) ?? (!asks && $0.holds(base))) }
        }
    }

    private func ask(_ host: String) async throws -> FoundNode? {
        var direct = search
        direct.host = [host]
        direct.interface = []
        guard let finder = try? direct.finder() else { return nil }
        return try? await finder.find(wanting: base).first
    }

    /// Asks the person at the terminal to choose.
    private func ask(_ nodes: [FoundNode]) async throws(CloudletError) -> FoundNode {
        for (index, node) in nodes.enumerated() {
            let has =
                node.holds(base)
                ? "has the base VM" : node.onlyBoots(base) ? "can only boot the base VM" : "does not have the base VM"
            Console.note("\(index + 1)  \(node.name.displayable(limit: 60))  \(node.address)  \(has)")
        }
        Console.note("Which node (1 to \(nodes.count), Enter for 1)? ")
        guard let answer = readLine() else { throw CloudletError(.interrupted, "no node was chosen") }
        let number = answer.isEmpty ? 1 : Int(answer) ?? 0
        guard nodes.indices.contains(number - 1) else {
            throw CloudletError(
                .usage, "'\(answer.displayable(limit: 20))' is not one of the nodes",
                advice: "enter a number from the list")
        }
        return nodes[number - 1]
    }
}
