package import CloudletCore
import CloudletDiscovery
import CloudletNetwork
package import CloudletSession
import CloudletSystem
package import Logging

/// The node's configuration, every value checked.
package struct NodeConfiguration: Sendable {
    /// Reads the settings again.
    package typealias Reload = @Sendable () async throws(CloudletError) -> NodeConfiguration

    /// One value for a list of the configuration.
    package struct Entry: Sendable, Hashable {
        /// The setting.
        package let setting: Setting
        /// Its value as text.
        package let text: String
        /// Where it came from.
        package let origin: ConfigurationSource.Origin
    }

    /// Every setting with its value and origin.
    package let entries: [Entry]

    /// Reads and checks all settings.
    /// - Throws: `CloudletError.configuration` (or `usage`, for the command line) that names key, value, what is
    ///   expected and where the value came from.
    package init(_ source: ConfigurationSource) throws(CloudletError) {
        var entries: [Entry] = []
        for setting in Setting.all {
            let (text, origin) = source.value(of: setting)
            let entry = Entry(setting: setting, text: text, origin: origin)
            if origin != .fallback { try Self.check(entry) }
            // What is listed is the name that the node will have.
            let name = setting == .name ? NodeName.visible(text) : nil
            entries.append(Entry(setting: setting, text: name ?? text, origin: origin))
        }
        self.entries = entries
    }

    private static func check(_ entry: Entry) throws(CloudletError) {
        guard let objection = objection(to: entry) else { return }
        let role =
            entry.setting == .listen ? "no address to listen on (listen, " : "no value for \(entry.setting.key) ("
        throw CloudletError(
            entry.origin == .commandLine ? .usage : .configuration,
            "'\(objection.value.displayable(limit: 60))' is \(role)from \(entry.origin))"
                + (objection.reason.map { ": \($0)" } ?? ""),
            advice: "give \(objection.expected)")
    }

    /// What is wrong with a setting.
    private struct Objection {
        /// The value, or that of several that can't be used.
        let value: String
        /// Why it can't, where that is not plain from what is expected in its place.
        var reason: String?
        let expected: String
    }

    private static func objection(to entry: Entry) -> Objection? {
        let text = entry.text
        func unless(_ isRight: Bool, _ expected: String) -> Objection? {
            isRight ? nil : Objection(value: text, expected: expected)
        }
        func first(_ reason: (String) -> String?, _ expected: String) -> Objection? {
            for word in words(text) {
                if let reason = reason(word) { return Objection(value: word, reason: reason, expected: expected) }
            }
            return nil
        }
        switch entry.setting {
        case .name:
            let isSeen = text.isEmpty || NodeName.visible(text) != nil
            return isSeen
                ? nil
                : Objection(
                    value: text, reason: "nothing of it can be seen",
                    expected: "a name with a letter, a digit or another sign that can be seen")
        case .listen: return first(ListenAddress.objection(to:), ListenAddress.expected)
        case .interfaces:
            return first(
                InterfacePolicy.objection(toName:), "names of interfaces, as 'ip -brief address' lists them")
        default: break
        }
        return switch entry.setting.kind {
        case .text, .list: nil
        case .address:
            text.isEmpty
                ? nil
                : ForwardAddress.objection(to: text).map {
                    Objection(value: text, reason: $0, expected: "an IPv4 address of this host")
                }
        case .number(let range):
            unless(
                Int(text).map(range.contains) == true,
                "a whole number from \(range.lowerBound) to \(range.upperBound)")
        case .seconds(let range):
            unless(
                Double(text).map(range.contains) == true, "seconds from \(range.lowerBound) to \(range.upperBound)")
        case .flag: unless(["true", "false"].contains(text.lowercased()), "true or false")
        case .choice(let words): unless(words.contains(text), "one of \(words.joined(separator: ", "))")
        }
    }

    private func text(_ setting: Setting) -> String {
        entries.first { $0.setting == setting }?.text ?? setting.fallback
    }

    private func list(_ setting: Setting) -> [String] { Self.words(text(setting)) }

    private static func words(_ text: String) -> [String] {
        text.split(separator: ",").map { String($0).trimmingBlanks }.filter { !$0.isEmpty }
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
    package var name: String? { optional(.name) }
    /// The interfaces to use; none for every LAN interface.
    package var interfaces: [String] { list(.interfaces) }
    /// Port of the HTTP server.
    package var httpPort: UInt16 { UInt16(number(.httpPort)) }
    /// Who answers SSDP searches: `native`, `libupnp` or `off`.
    package var upnpEngine: String { text(.upnpEngine) }
    /// Whether to publish by mDNS.
    package var usesMDNS: Bool { flag(.mdns) }
    /// Whether to publish the name of 2014 as well.
    package var publishesOldName: Bool { flag(.mdnsOldName) }
    /// URI of a libvirt daemon, when one is to be used.
    package var connect: String? { optional(.connect) }
    /// `auto`, `kvm` or `tcg`.
    package var accelerator: String { text(.accelerator) }
    /// What is logged.
    package var logLevel: Logger.Level { Logger.Level(rawValue: text(.logLevel)) ?? .info }
    /// In which form it is logged.
    package var logFormat: LogFormat { LogFormat(rawValue: text(.logFormat)) ?? .auto }

    /// Address on which forwards listen, when one is configured.
    package var forwardAddress: String? { optional(.forwardAddress) }
    /// Whether guests may reach other hosts.
    package var outboundNetwork: Bool { flag(.outboundNetwork) }

    /// Whether overlays may open ports below 1024 and those of the node's own services.
    package var lowPorts: Bool { flag(.lowPorts) }

    /// How long an application may take to answer on its overlay's readiness port.
    package var readiness: Duration { seconds(.readiness) }

    /// From where overlays are fetched.
    var overlayURLs: OverlayFetch.Policy { .init(rawValue: text(.overlayURLs)) ?? .off }

    /// Bounds on VMs.
    package var admission: Admission.Policy {
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
    var standby: WarmPool.Policy {
        WarmPool.Policy(machines: number(.standbyMachines), memoryReserve: number(.memoryReserve) << 20)
    }

    /// Bounds on clients.
    package var sessionLimits: SessionServer.Limits {
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
    package var listeners: [ListenAddress] {
        get throws(CloudletError) {
            var result: [ListenAddress] = []
            for word in list(.listen) { result.append(try ListenAddress(parsing: word)) }
            return result
        }
    }
}

extension String {
    /// Without blanks at both ends.
    fileprivate var trimmingBlanks: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
