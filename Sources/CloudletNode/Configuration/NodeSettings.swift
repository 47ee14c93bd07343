// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import Logging

/// All settings of the node, in the order in which they are listed. A setting is declared here and nowhere else;
/// `NodeConfiguration` has its value under the same name.
package struct NodeSettings: Sendable {
    // MARK: - The node on its network

    package let name = Setting(
        "name", .nodeName, default: nil, isReloadable: true,
        "name shown to people; empty for one made from the host's name")
    package let listenAddresses = Setting(
        "listen", .listenAddresses, default: [],
        "ADDRESS:PORT where clients connect; empty for port 8021 of every LAN address")
    package let interfaces = Setting(
        "interfaces", .interfaces, default: [],
        "interfaces to advertise and listen on; empty for every LAN interface")
    package let httpPort = Setting<UInt16>(
        "http.port", .number(1...65535), default: 8022, "port of the device description, the status and the web page")
    package let upnpEngine = Setting(
        "upnp.engine", .choice(UPnPEngine.allCases), default: .native, "implementation that answers SSDP searches")
    let usesMDNS = Setting("mdns.enabled", .flag, default: true, "publish the node by mDNS through avahi-daemon")
    let publishesOldMDNSName = Setting(
        "mdns.old-name", .flag, default: false, "publish the service type _cloudlet._udp of 2014 as well")

    // MARK: - Hypervisor and guests

    package let libvirtURI = Setting(
        "hypervisor.connect", .text("a URI of libvirt"), default: nil,
        "libvirt daemon to use; empty for the libvirt driver inside this process")
    package let accelerator = Setting(
        "hypervisor.accelerator", .choice(AcceleratorChoice.allCases), default: .auto,
        "what executes guest code; auto for KVM where it works")
    let forwardAddress = Setting(
        "guest.forward-address", .forwardAddress, default: nil,
        "address on which forwarded ports listen; empty for the one that the client connected to")
    let outboundNetwork = Setting(
        "guest.outbound-network", .flag, default: false, "let guests open connections to other hosts")
    let lowPorts = Setting(
        "guest.low-ports", .flag, default: false,
        "let overlays forward ports below 1024 and those of the node's own services")

    // MARK: - Sessions

    let lease = Setting(
        "session.lease", .seconds(0...86_400), default: .seconds(300), isReloadable: true,
        "how long a VM keeps running after its client's connection was lost")
    let idleTimeout = Setting(
        "session.silence", .seconds(1...3600), default: .seconds(30), isReloadable: true,
        "how long a client may send nothing when it is its turn")
    let readinessTimeout = Setting(
        "session.readiness", .seconds(1...3600), default: .seconds(30),
        "how long an application may take to answer on the readiness port of its overlay")
    let minimumRate = Setting(
        "session.minimum-rate", .number(0...1_000_000_000), default: 1024, isReloadable: true,
        "fewest bytes per second that a client may send")
    let reconnectTimeout = Setting(
        "session.comeback", .seconds(0...86_400), default: .seconds(60), isReloadable: true,
        "how long a client may take to reconnect when its connection was lost during the transfer")
    let overlayURLs = Setting(
        "session.overlay-urls", .choice(OverlayURLPolicy.allCases), default: .client,
        "hosts from which overlays are fetched when a client names a URL: none, the client's own address, any")
    let keepsVMs = Setting(
        "session.keep-vms", .flag, default: false, "leave VMs running when the node stops, and adopt them at its start")
    let connections = Setting(
        "session.connections", .number(1...100_000), default: 512, isReloadable: true,
        "connections at the same time")
    let connectionsPerClient = Setting(
        "session.connections-per-client", .number(1...100_000), default: 256, isReloadable: true,
        "connections of one client address at the same time")
    let unreachableTimeout = Setting(
        "session.unreachable", .seconds(3...86_400), default: .seconds(60), isReloadable: true,
        "how long a client's host may be unreachable before its connection counts as lost")

    // MARK: - Admission and warm VMs

    let maximumVMs = Setting(
        "admission.machines", .number(0...10_000), default: 0, isReloadable: true,
        "VMs at the same time; 0 for as many as memory allows")
    let sessionsPerClient = Setting(
        "admission.per-client", .number(1...10_000), default: 8, isReloadable: true,
        "sessions of one client address, waiting ones included")
    let queueLength = Setting(
        "admission.queue", .number(0...10_000), default: 64, isReloadable: true, "sessions that may wait for room")
    let queueTimeout = Setting(
        "admission.patience", .seconds(0...86_400), default: .seconds(60), isReloadable: true,
        "how long a session waits for room")
    let memoryReserve = Setting(
        "admission.memory-reserve", .mebibytes(0...10_000_000), default: 512 << 20, isReloadable: true,
        "memory left to the host")
    let diskReserve = Setting(
        "admission.disk-reserve", .mebibytes(0...10_000_000), default: 256 << 20, isReloadable: true,
        "disk space left to the host")
    let warmVMs = Setting(
        "standby.machines", .number(0...1000), default: 1, isReloadable: true,
        "warm VMs, kept ready to take an overlay of the base VMs used last while memory allows")

    // MARK: - Log

    package let logLevel = Setting(
        "log.level", .choice([Logger.Level.trace, .debug, .info, .notice, .warning, .error]), default: .info,
        isReloadable: true, "lowest level of the lines that are logged")
    package let logFormat = Setting(
        "log.format", .choice(LogFormat.allCases), default: .auto, isReloadable: true,
        "form of log lines; auto for the journal where there is one, else text on a terminal and json elsewhere")

    /// The declarations.
    package static let declared = NodeSettings()

    /// All settings, derived from the declarations, so that no second list has to be maintained.
    package static let all: [any AnySetting] = Mirror(reflecting: declared).children.compactMap {
        $0.value as? any AnySetting
    }
}
