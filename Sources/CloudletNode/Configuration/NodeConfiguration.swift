public import CloudletCore
import CloudletDiscovery
public import CloudletSession
import CloudletSystem
public import Logging

/// The node's configuration, every value checked.
public struct NodeConfiguration: Sendable {
    /// One value for a list of the configuration.
    public struct Entry: Sendable, Hashable {
        /// The setting.
        public let setting: Setting
        /// Its value as text.
        public let text: String
        /// Where it came from.
        public let origin: ConfigurationSource.Origin
    }

    /// Every setting with its value and origin.
    public let entries: [Entry]

    /// Reads and checks all settings.
    /// - Throws: `CloudletError.configuration` (or `usage`, for the command line) that names key, value, what is
    ///   expected and where the value came from.
    public init(_ source: ConfigurationSource) throws(CloudletError) {
        var entries: [Entry] = []
        for setting in Setting.all {
            let (text, origin) = source.value(of: setting)
            let entry = Entry(setting: setting, text: text, origin: origin)
            if origin != .fallback { try Self.check(entry) }
            entries.append(entry)
        }
        self.entries = entries
        _ = try listeners
    }

    private static func check(_ entry: Entry) throws(CloudletError) {
        let text = entry.text
        let expected: String? =
            switch entry.setting.kind {
            case .text where entry.setting == .name && !text.isEmpty && NodeName.visible(text) == nil:
                "a name with a letter, a digit or another sign that can be seen"
            case .text, .list: nil
            case .address: text.isEmpty || ForwardAddress.objection(to: text) == nil ? nil : "an IPv4 address"
            case .number(let range):
                Int(text).map(range.contains) == true
                    ? nil : "a whole number from \(range.lowerBound) to \(range.upperBound)"
            case .seconds(let range):
                Double(text).map(range.contains) == true
                    ? nil : "seconds from \(range.lowerBound) to \(range.upperBound)"
            case .flag: ["true", "false"].contains(text.lowercased()) ? nil : "true or false"
            case .choice(let words): words.contains(text) ? nil : "one of \(words.joined(separator: ", "))"
            }
        guard let expected else { return }
        throw CloudletError(
            entry.origin == .commandLine ? .usage : .configuration,
            "'\(text.displayable(limit: 60))' is no value for \(entry.setting.key) (from \(entry.origin))",
            advice: "give \(expected)")
    }

    private func text(_ setting: Setting) -> String {
        entries.first { $0.setting == setting }?.text ?? setting.fallback
    }

    private func list(_ setting: Setting) -> [String] {
        text(setting).split(separator: ",").map { String($0).trimmingBlanks }.filter { !$0.isEmpty }
    }

    private func optional(_ setting: Setting) -> String? {
        let value = text(setting)
        return value.isEmpty ? nil : value
    }

    private func number(_ setting: Setting) -> Int { Int(text(setting)) ?? 0 }

    private func seconds(_ setting: Setting) -> Duration { .seconds(Double(text(setting)) ?? 0) }

    private func flag(_ setting: Setting) -> Bool { text(setting).lowercased() == "true" }

    // MARK: - Values

    /// The name shown to people, when one is configured.
    public var name: String? { optional(.name) }
    /// The interfaces to use; none for every LAN interface.
    public var interfaces: [String] { list(.interfaces) }
    /// Port of the HTTP server.
    public var httpPort: UInt16 { UInt16(number(.httpPort)) }
    /// Who answers SSDP searches: `native`, `libupnp` or `off`.
    public var upnpEngine: String { text(.upnpEngine) }
    /// Whether to publish by mDNS.
    public var usesMDNS: Bool { flag(.mdns) }
    /// Whether to publish the name of 2014 as well.
    public var publishesOldName: Bool { flag(.mdnsOldName) }
    /// URI of a libvirt daemon, when one is to be used.
    public var connect: String? { optional(.connect) }
    /// `auto`, `kvm` or `tcg`.
    public var accelerator: String { text(.accelerator) }
    /// What is logged.
    public var logLevel: Logger.Level { Logger.Level(rawValue: text(.logLevel)) ?? .info }
    /// In which form it is logged.
    public var logFormat: LogFormat { LogFormat(rawValue: text(.logFormat)) ?? .auto }

    /// Address on which forwards listen, when one is configured.
    public var forwardAddress: String? { optional(.forwardAddress) }
    /// Whether guests may reach other hosts.
    public var outboundNetwork: Bool { flag(.outboundNetwork) }

    /// Whether overlays may open ports below 1024 and those of the node's own services.
    public var lowPorts: Bool { flag(.lowPorts) }

    /// How long an application may take to answer on its overlay's readiness port.
    public var readiness: Duration { seconds(.readiness) }

    /// From where overlays are fetched.
    var overlayURLs: OverlayFetch.Policy { .init(rawValue: text(.overlayURLs)) ?? .off }

    /// Bounds on VMs.
    public var admission: Admission.Policy {
        var policy = Admission.Policy()
        policy.machines = number(.machines)
        policy.perClient = number(.perClient)
        policy.queue = number(.queue)
        policy.patience = seconds(.patience)
        policy.memoryReserve = number(.memoryReserve) << 20
        policy.diskReserve = number(.diskReserve) << 20
        return policy
    }

    /// VMs that are kept ready.
    var standby: Standby.Policy {
        Standby.Policy(machines: number(.standbyMachines), memoryReserve: number(.memoryReserve) << 20)
    }

    /// Bounds on clients.
    public var sessionLimits: SessionServer.Limits {
        var limits = SessionServer.Limits()
        limits.lease = seconds(.lease)
        limits.clientSilence = seconds(.silence)
        limits.comeback = seconds(.comeback)
        limits.minimumRate = number(.minimumRate)
        limits.keepsVMs = flag(.keepVMs)
        limits.connections = number(.connections)
        limits.connectionsPerClient = number(.connectionsPerClient)
        limits.unreachable = seconds(.unreachable)
        return limits
    }

    /// The addresses given to listen on; none for every LAN address.
    public var listeners: [ListenAddress] {
        get throws(CloudletError) {
            var result: [ListenAddress] = []
            for word in list(.listen) { result.append(try ListenAddress(parsing: word)) }
            return result
        }
    }
}

/// An address and a port to listen on, written `ADDRESS:PORT`, `[ADDRESS]:PORT` or `:PORT`.
public struct ListenAddress: Hashable, Sendable {
    /// The address; `nil` for every LAN address.
    public let address: String?
    /// The port; 0 picks a free one.
    public let port: UInt16

    /// Names an address.
    public init(address: String?, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Reads an address.
    /// - Throws: `CloudletError.usage` with the form expected.
    public init(parsing text: String) throws(CloudletError) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw Self.malformed(text)
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        // A zone is for IPv6 only, whose link-local addresses need one.
        let address = IPAddress(String(host.prefix { $0 != "%" }))
        guard host.isEmpty || address.map({ !$0.isV4 || !host.contains("%") }) == true else {
            throw Self.malformed(text)
        }
        self.init(address: host.isEmpty ? nil : host, port: port)
    }

    private static func malformed(_ text: String) -> CloudletError {
        CloudletError(
            .usage, "'\(text.displayable(limit: 60))' is no address to listen on",
            advice: "give ADDRESS:PORT, as 192.168.1.5:8021 or [fd00::5]:8021, or :PORT for every LAN address")
    }
}

extension String {
    /// Without blanks at both ends.
    fileprivate var trimmingBlanks: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
