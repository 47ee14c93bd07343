/// Everything about the node that can be configured: key, kind, default and meaning in one place. A key `a.b-c` is the
/// variable `CLOUDLET_A_B_C` and the YAML entry `b-c` under `a`.
package struct Setting: Sendable, Hashable {
    /// What values a setting takes.
    package enum Kind: Sendable, Hashable {
        /// Any text.
        case text
        /// An IPv4 address.
        case address
        /// Several texts; separated by commas in a variable.
        case list
        /// A whole number in a range.
        case number(ClosedRange<Int>)
        /// Seconds.
        case seconds(ClosedRange<Double>)
        /// `true` or `false`.
        case flag
        /// One of these words.
        case choice([String])
    }

    /// The key.
    package let key: String
    /// What values it takes.
    package let kind: Kind
    /// The value without configuration, as text.
    package let fallback: String
    /// What it means, one line.
    package let help: String

    private init(_ key: String, _ kind: Kind, _ fallback: String, _ help: String) {
        self.key = key
        self.kind = kind
        self.fallback = fallback
        self.help = help
    }

    static let name = Setting("name", .text, "", "name shown to people; empty for one made of the host's name")
    static let listen = Setting(
        "listen", .list, "", "ADDRESS:PORT of the synthesis protocol; empty for port 8021 of every LAN address")
    static let interfaces = Setting(
        "interfaces", .list, "", "interfaces to advertise and listen on; empty for every LAN interface")
    static let httpPort = Setting(
        "http.port", .number(1...65535), "8022", "port of description, status and page")
    static let upnpEngine = Setting(
        "upnp.engine", .choice(["native", "libupnp", "off"]), "native", "who answers SSDP searches")
    static let mdns = Setting("mdns.enabled", .flag, "true", "publish by mDNS through avahi-daemon")
    static let mdnsOldName = Setting(
        "mdns.old-name", .flag, "false", "publish the name _cloudlet._udp of 2014 as well")
    static let connect = Setting("hypervisor.connect", .text, "", "libvirt URI; empty for a driver in this process")
    static let accelerator = Setting(
        "hypervisor.accelerator", .choice(["auto", "kvm", "tcg"]), "auto", "what executes guest code")
    static let forwardAddress = Setting(
        "guest.forward-address", .address, "", "address on which forwards listen; empty for the one the client reached")
    static let outboundNetwork = Setting(
        "guest.outbound-network", .flag, "false", "let guests open connections to other hosts")
    static let lowPorts = Setting(
        "guest.low-ports", .flag, "false", "let overlays open ports below 1024 and those of the node's own services")
    static let lease = Setting(
        "session.lease", .seconds(0...86_400), "300", "how long a VM lives on after its client's connection was lost")
    static let silence = Setting(
        "session.silence", .seconds(1...3600), "30", "how long a client may keep silent when it is its turn")
    static let readiness = Setting(
        "session.readiness", .seconds(1...3600), "30",
        "how long an application may take to answer on its overlay's readiness port")
    static let overlayURLs = Setting(
        "session.overlay-urls", .choice(["off", "client", "any"]), "client",
        "from where overlays are fetched when a client names a URL: nowhere, its own address, everywhere")
    static let keepVMs = Setting(
        "session.keep-vms", .flag, "false", "leave VMs running when the node stops, and go on with them at its start")
    static let connections = Setting(
        "session.connections", .number(1...100_000), "512", "connections at the same time")
    static let connectionsPerClient = Setting(
        "session.connections-per-client", .number(1...100_000), "256", "those of one client address")
    static let unreachable = Setting(
        "session.unreachable", .seconds(3...86_400), "60",
        "how long a client's host may be out of reach before its connection counts as lost")
    static let minimumRate = Setting(
        "session.minimum-rate", .number(0...1_000_000_000), "1024", "fewest bytes a second a client may send")
    static let comeback = Setting(
        "session.comeback", .seconds(0...86_400), "60",
        "how long a client may take to come back when its connection broke off in the transfer")
    static let machines = Setting(
        "admission.machines", .number(0...10_000), "0", "VMs at the same time; 0 for as many as memory allows")
    static let perClient = Setting(
        "admission.per-client", .number(1...10_000), "8", "sessions of one client address")
    static let queue = Setting("admission.queue", .number(0...10_000), "64", "sessions that may wait for room")
    static let patience = Setting(
        "admission.patience", .seconds(0...86_400), "60", "how long a session waits for room")
    static let memoryReserve = Setting(
        "admission.memory-reserve", .number(0...10_000_000), "512", "MiB of memory left to the host")
    static let diskReserve = Setting(
        "admission.disk-reserve", .number(0...10_000_000), "256", "MiB of disk space left to the host")
    static let standbyMachines = Setting(
        "standby.machines", .number(0...1000), "1",
        "VMs kept ready to take an overlay, of the base VMs used last, while memory is left")
    static let logLevel = Setting(
        "log.level", .choice(["trace", "debug", "info", "notice", "warning", "error"]), "info", "what is logged")
    static let logFormat = Setting(
        "log.format", .choice(LogFormat.allCases.map(\.rawValue)), "auto",
        "text, json or journald; auto for the journal where there is one, else text on a terminal and json elsewhere")

    /// The settings that a running node takes over when it reads its configuration again (SIGHUP).
    static let changeable: Set<Setting> = [
        name, lease, silence, minimumRate, comeback, connections, connectionsPerClient, unreachable, machines,
        perClient, queue, patience, memoryReserve,
        diskReserve, standbyMachines, logLevel, logFormat,
    ]

    /// All settings, in the order in which they are listed.
    package static let all: [Setting] = [
        name, listen, interfaces, httpPort, upnpEngine, mdns, mdnsOldName, connect, accelerator, forwardAddress,
        outboundNetwork, lowPorts, lease, silence, readiness, minimumRate, comeback, overlayURLs, keepVMs, connections,
        connectionsPerClient, unreachable,
        machines, perClient, queue, patience, memoryReserve, diskReserve, standbyMachines, logLevel, logFormat,
    ]
}
