import CloudletCore

/// What to check, and which commands make the node do something.
package struct ConformanceOptions: Sendable {
    /// Address of the node, or the interface it is found on; the first interface with a network when empty.
    package var target = ""
    /// The device type that is searched.
    package var deviceType = "urn:schemas-upnp-org:device:CloudletServer:1"
    /// The DNS-SD service type that is searched, without `local`.
    package var serviceType = "_cloudlet._tcp"
    /// Requirements to check; all when empty.
    package var only: Set<String> = []
    /// Commands for the shell by which the node, or its host, is made to do something.
    package var hooks: [Hook: String] = [:]
    /// An address of this host that is not on the node's network, to which the node has a way back.
    package var offLink: String?
    /// An interface of this host to a second network that the node announces itself on.
    package var secondInterface: String?
    /// An interface of this host to a network on which the node should not announce itself.
    package var quietInterface: String?
    /// A command that finds nodes and prints a line for each.
    package var finder: String?
    /// How long to watch for announcements to be repeated; zero for not at all.
    package var announcementWatch = Duration.zero

    /// The usual check: everything that can be seen without help.
    package init() {}
}

/// What a command of the user makes the node, or its host, do.
package enum Hook: String, Sendable, CaseIterable {
    /// End the node in good order.
    case stop
    /// Start it.
    case start
    /// Kill it without a word.
    case kill
    /// Give it the name in the environment variable `NAME`.
    case rename
    /// Change the IPv4 address of its host to another one of the same network.
    case readdr
    /// Remove the network interface of its host and make it anew, with the first address.
    case renic
    /// Pull its cable.
    case cut
    /// Plug it in again.
    case mend
    /// Start another SSDP program and another mDNS responder on its host, which share the ports.
    case neighbour
    /// Publish a service with the name in `NAME` from its host.
    case twin
    /// End that.
    case untwin
    /// Restart the mDNS responder of its host.
    case responder
    /// Try as an unprivileged user of its host to end the mDNS responder.
    case attack
    /// Print the resident memory of what answers SSDP, in KiB.
    case memory
}
