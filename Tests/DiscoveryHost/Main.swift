// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletLibUPnP
import Logging

/// A host of the discovery tests: a node without synthesis, or a finder, to be run inside a network namespace.
///
///     discovery-host node [--name N] [--id UUID] [--port P] [--http P] [--base HASH] [--engine native|libupnp]
///                         [--interface I]... [--no-mdns] [--old-name]
///     discovery-host find [--timeout S] [--watch S] [--base HASH] [--interface I]... [--host ADDRESS]
///                         [--protocol ssdp|mdns]... [--state DIRECTORY]
@main struct Main {
    static func main() async throws {
        UPnPEngineChild.runIfRequested()
        let arguments = Array(CommandLine.arguments.dropFirst())
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        switch arguments.first {
        case "node": try await runNode(Options(arguments.dropFirst()))
        case "find": try await runFinder(Options(arguments.dropFirst()))
        default: throw CloudletError(.usage, "discovery-host node|find …")
        }
    }
}

/// `--key value` pairs; a key may be repeated; one without value is a switch.
struct Options: Sendable {
    private var values: [String: [String]] = [:]

    init(_ arguments: ArraySlice<String>) {
        var key = ""
        for argument in arguments {
            if argument.hasPrefix("--") {
                key = String(argument.dropFirst(2))
                values[key, default: []] += []
            } else {
                values[key, default: []].append(argument)
            }
        }
    }

    func all(_ key: String) -> [String] { values[key] ?? [] }
    func one(_ key: String) -> String? { values[key]?.last }
    func has(_ key: String) -> Bool { values[key] != nil }
}
