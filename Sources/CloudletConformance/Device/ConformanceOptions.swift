// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// The node to check, and the commands that control it.
package struct ConformanceOptions: Sendable {
    /// The address of the node, or the interface to search on; when empty, the first interface with a network.
    package var target = ""
    /// The device type to search for.
    package var deviceType = "urn:schemas-upnp-org:device:CloudletServer:1"
    /// The DNS-SD service type to search for, without `local`.
    package var serviceType = "_cloudlet._tcp"
    /// The requirements to check; all when empty.
    package var only: Set<String> = []
    /// Shell commands that control the node or its host.
    package var hooks: [Hook: String] = [:]
    /// An address of this host outside of the node's network, to which the node has a route.
    package var offLink: String?
    /// An interface of this host to a second network on which the node announces itself.
    package var secondInterface: String?
    /// An interface of this host to a network on which the node should not announce itself.
    package var quietInterface: String?
    /// A command that finds nodes and prints a line for each.
    package var finder: String?
    /// How long to watch whether announcements are repeated; zero to skip this.
    package var announcementWatch = Duration.zero

    /// Creates the default options: every check that needs no hooks.
    package init() {}
}

/// An action that a command of the user performs on the node or its host.
package enum Hook: String, Sendable, CaseIterable {
    case stop, start, kill, rename, readdr, renic, cut, mend, neighbour, twin, untwin, responder, attack, memory

    /// What the command does.
    private var action: String {
        switch self {
        case .stop: "stops the node properly"
        case .start: "starts the node"
        case .kill: "kills the node, so that it can't send goodbyes"
        case .rename: "gives the node the name in the environment variable NAME"
        case .readdr: "changes the IPv4 address of the node's host to another one in the same network"
        case .renic: "removes the network interface of the node's host, and creates it again with its first address"
        case .cut: "unplugs the network cable of the node's host"
        case .mend: "plugs the network cable in again"
        case .neighbour: "starts another SSDP program and another mDNS responder on the node's host"
        case .twin: "publishes a service with the name in NAME from the node's host"
        case .untwin: "withdraws that service"
        case .responder: "restarts the mDNS responder of the node's host"
        case .attack: "tries to end the mDNS responder of the node's host as an unprivileged user"
        case .memory: "prints the resident memory of the program that answers SSDP, in KiB"
        }
    }

    /// The hooks and their actions, one on each line.
    static var help: String {
        allCases.map { "  \($0.rawValue)\(String(repeating: " ", count: 10 - $0.rawValue.count)) \($0.action)" }
            .joined(separator: "\n")
    }
}
