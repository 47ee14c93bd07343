// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletFinding
import CloudletSystem

/// Options for searching nodes and printing them.
struct SearchOptions: ParsableArguments {
    @Option(help: "Interface to search on (default: every LAN interface); repeatable.")
    var interface: [String] = []

    @Option(help: "How to search; known asks the nodes found earlier (default: all of these); repeatable.")
    var `protocol`: [ProtocolChoice] = []

    @Option(
        help: "ADDRESS or ADDRESS:PORT of the HTTP server of a node, which is requested without a search; repeatable.")
    var host: [String] = []

    @Option(help: "Longest duration of the search in seconds.")
    var timeout: Double = 3

    @Flag(help: "Keep running, and list nodes that appear, change or disappear.")
    var watch = false

    @Option(help: "Output format.")
    var format: OutputFormat = .table

    @Flag(help: "The same as --format json.")
    var json = false

    enum ProtocolChoice: String, ExpressibleByArgument, CaseIterable {
        case ssdp, mdns, known
    }

    func validate() throws {
        guard timeout > 0, timeout <= 3600 else {
            throw ValidationError("--timeout must be more than 0 and at most 3600 seconds")
        }
    }

    /// Whether to print JSON.
    var printsJSON: Bool { json || format == .json }

    /// Creates the finder for these options.
    func finder() throws(CloudletError) -> Finder {
        var options = FinderOptions()
        options.interfaces = interface
        options.hosts = host
        options.timeout = .seconds(timeout)
        options.isWatching = watch
        if !`protocol`.isEmpty {
            options.protocols = Set(`protocol`.compactMap { DiscoveryOrigin(rawValue: $0.rawValue) })
        }
        // Remembered nodes are verified each time, so it does no harm that other users may see or change them.
        options.stateDirectory = try CloudletHome.fromEnvironment().root
        let finder = Finder(options)
        // If no interface is left, the search itself reports this, unless it waits for interfaces.
        let obstacles = finder.obstacles
        if watch || obstacles.count < interface.count {
            for text in obstacles { Console.note("\(text); the search continues without it") }
        }
        return finder
    }

    /// The error when nodes were found, but none with the given name.
    func noneCalled(_ name: String) -> CloudletError {
        CloudletError(
            .noNode, "no node is called '\(name.displayable(limit: 60))'",
            advice: "'cloudlet-find' lists the nodes, by name and address")
    }

    /// The error when a search found nothing, with possible causes.
    func nothingFound(_ finder: Finder) -> CloudletError {
        let hints = finder.explainNothingFound()
        for hint in hints.dropFirst() { Console.note("\(hint.finding); \(hint.advice)") }
        return CloudletError(
            finder.isOffline ? .noNetwork : .noNode,
            "no node found" + (hints.first.map { ": \($0.finding)" } ?? ""), advice: hints.first?.advice)
    }
}
