// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import CloudletCore
import CloudletOverlay
import SystemPackage

/// `cloudlet-find`: finds nodes, and makes one of them synthesize a VM.
package struct FindCommand: AsyncParsableCommand {
    /// Name and purpose.
    package static let configuration = CommandConfiguration(
        commandName: "cloudlet-find", abstract: "Find cloudlet nodes on the LAN and synthesize a VM on one.",
        discussion:
            "Without --overlay, lists the nodes. With it, sends the overlay to a node, where its VM runs until the "
            + "launched program ends or, with --hold, until Ctrl-C.",
        version: ProgramVersion.text)

    @Option(
        help: "Overlay to send (a directory or a package); the last part of its path is the application's name.",
        completion: .file())
    var overlay: String?

    @Option(help: "Name or address of the node to use.")
    var node: String?

    @Option(
        help:
            "Shell command to run while the VM runs, with CLOUDLET_APP, CLOUDLET_HOST and CLOUDLET_PORT_<guest port> in its environment."
    )
    var launch: String?

    @Flag(help: "Keep the VM running until Ctrl-C.")
    var hold = false

    @Flag(
        name: .customLong("fixed-ports"),
        help: "Fail if ports of the overlay are in use on the node. Without this option, the node chooses other ports.")
    var fixedPorts = false

    @Flag(
        name: .customLong("allow-boot"),
        help:
            "If the node can't resume the saved state of the VM, boot it from its disk: the guest's boot starts its programs, and what was only in memory is missing."
    )
    var allowBoot = false

    @Flag(name: .customLong("move-ports"), help: .hidden)
    var movePorts = false

    @OptionGroup var search: SearchOptions

    /// Creates the command.
    package init() {}

    /// Lists nodes, or runs a session.
    package func run() async throws {
        if movePorts, fixedPorts {
            throw CloudletError(.usage, "--move-ports, which is the default, contradicts --fixed-ports")
        }
        guard let overlay else {
            guard launch == nil, !hold, !fixedPorts, !allowBoot, !movePorts else {
                throw CloudletError(
                    .usage, "--launch, --hold, --fixed-ports and --allow-boot need an overlay",
                    advice: "name its directory or package with --overlay")
            }
            return try await NodeListing(search: search, node: node).run()
        }
        // Opened first, so that an error in the overlay is reported before anything is sent.
        let source = try OverlaySource(at: FilePath(overlay))
        try await OverlaySession(
            overlay: source, search: search, node: node, launch: launch, hold: hold, movePorts: !fixedPorts,
            allowBoot: allowBoot
        ).run()
    }
}
