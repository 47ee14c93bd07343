// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import CloudletCore
import Foundation

/// `conformance`: checks whether a node on the LAN follows the rules of SSDP, UPnP, mDNS and DNS-SD.
package struct ConformanceCommand: AsyncParsableCommand {
    /// The name and the purpose of the command.
    package static let configuration = CommandConfiguration(
        commandName: "conformance",
        abstract: "Check from outside whether a node follows the rules of SSDP, UPnP, mDNS and DNS-SD.",
        discussion: """
            Check a test node: the program floods it with searches and sends it malformed requests.

            Some requirements can be checked only if the node, or its host, does something. --hook NAME=COMMAND gives \
            the command for that:

            \(Hook.help)

            Exit status: 0 when no rule at level MUST is broken, 1 otherwise, 2 when there is nothing to check.
            """)

    @Argument(help: "Address of the node, or the interface on which to search for it.")
    var target = ""

    @Option(help: "Device type to search for.")
    var type = ConformanceOptions().deviceType

    @Option(help: "DNS-SD service type to search for.")
    var service = ConformanceOptions().serviceType

    @Option(help: "Requirement to check, as in A01; repeatable; default all.")
    var only: [String] = []

    @Option(help: "NAME=COMMAND of a hook; repeatable.")
    var hook: [String] = []

    @Option(help: "Address of this host that is not on the node's network.")
    var offLink: String?

    @Option(help: "Interface to a second network of the node.")
    var second: String?

    @Option(help: "Interface to a network on which the node should not announce itself.")
    var quiet: String?

    @Option(help: "Command that finds nodes and prints a line for each of them.")
    var finder: String?

    @Option(help: "Seconds to wait for announcements to be repeated.")
    var patience: Double = 0

    @Option(help: "File to write the results to, as JSON.", completion: .file())
    var json: String?

    @Option(help: "File to write the results to, as JUnit XML.", completion: .file())
    var junit: String?

    /// Creates the command.
    package init() {}

    /// Runs the program. It starts this executable again as a separate process for libupnp's part.
    package static func run(arguments: [String]) async {
        LibUPnPControlPoint.runIfRequested(arguments: arguments)
        await main(Array(arguments.dropFirst()))
    }

    /// Checks and prints the table.
    package func run() async throws {
        do {
            let report = try await Conformance(try options()).run { step in
                FileHandle.standardError.write(Data("\(step) ...\n".utf8))
            }
            if let json { try write(try report.json(), to: json) }
            if let junit { try write(report.junit, to: junit) }
            FileHandle.standardOutput.write(Data(report.table.utf8))
            if !report.brokenRules.isEmpty { throw ExitCode(1) }
        } catch let error as CloudletError {
            FileHandle.standardError.write(Data("error: \(error.description)\n".utf8))
            throw ExitCode(2)
        }
    }

    private func options() throws(CloudletError) -> ConformanceOptions {
        var options = ConformanceOptions()
        (options.target, options.deviceType, options.serviceType) = (target, type, service)
        (options.offLink, options.secondInterface, options.quietInterface) = (offLink, second, quiet)
        (options.finder, options.announcementWatch) = (finder, .seconds(patience))
        options.only = Set(only.flatMap { $0.split(separator: ",").map { $0.uppercased() } })
        if let unknown = options.only.first(where: { Requirement.named($0) == nil }) {
            throw CloudletError(.usage, "there is no requirement \(unknown.displayable(limit: 20))")
        }
        for text in hook {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let hook = Hook(rawValue: parts[0]) else {
                throw CloudletError(
                    .usage, "'\(text.displayable(limit: 60))' is not a valid hook", advice: "see --help")
            }
            options.hooks[hook] = parts[1]
        }
        return options
    }

    private func write(_ text: String, to file: String) throws(CloudletError) {
        do { try Data(text.utf8).write(to: URL(fileURLWithPath: file)) } catch {
            throw CloudletError(.io, "can't write \(file.displayable()): \(error)")
        }
    }
}
