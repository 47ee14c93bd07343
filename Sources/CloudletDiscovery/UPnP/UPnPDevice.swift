import CloudletCore
import CloudletSystem
import SystemPackage

/// The node as a UPnP device (UDA 2.0 §2): its type, its services and the names by which both are searched.
package struct UPnPDevice: Hashable, Sendable {
    /// The node's id, the device's UDN.
    package let id: NodeID
    /// The name people see; a record's fits into what `friendlyName` allows (under 64 characters).
    package let friendlyName: String
    /// Port of the synthesis protocol, part of the original's service type.
    package let synthesisPort: UInt16

    /// The device that stands for `record`.
    package init(_ record: NodeRecord) {
        id = record.id
        friendlyName = record.name
        synthesisPort = record.synthesisPort
    }

    /// The original's device type (2013), which its users search for.
    package static let deviceType = "urn:schemas-upnp-org:device:CloudletServer:1"
    /// The service a current control point uses.
    package static let synthesisServiceType = "urn:schemas-cloudlet:service:Synthesis:1"
    /// The original's service, with the TCP port in the place of the version.
    package var originalServiceType: String { "urn:schemas-upnp-org:service:port:\(synthesisPort)" }

    /// The tokens that name system and product, each with a version as UDA 2.0 §1.2.2 has it; of the kernel's only the
    /// first number, which helps no attacker.
    package static let server: String = {
        let release = (try? File("/proc/sys/kernel/osrelease", .read).read(64, at: 0)) ?? []
        let major = String(decoding: release.prefix { 0x30...0x39 ~= $0 }, as: UTF8.self)
        return "Linux/\(major.isEmpty ? "0" : major) UPnP/2.0 Cloudlet/1.0"
    }()

    /// The unique device name.
    package var udn: String { "uuid:\(id)" }

    /// The types that carry a version, in the order of the description.
    package var versionedTypes: [String] { [Self.deviceType, originalServiceType, Self.synthesisServiceType] }

    /// All pairs of notification type and unique service name (UDA 2.0, tables 1-1 and 1-3): root device, UDN, device
    /// type and one a service type.
    package var announcements: [UPnPTarget] {
        [UPnPTarget(type: "upnp:rootdevice", usn: "\(udn)::upnp:rootdevice"), UPnPTarget(type: udn, usn: udn)]
            + versionedTypes.map { UPnPTarget(type: $0, usn: "\(udn)::\($0)") }
    }

    /// What to answer a search with: empty when it does not concern this device. Types are compared as a whole; a lower
    /// version than ours is answered as it was asked, a higher one is not.
    package func answers(to target: String) -> [UPnPTarget] {
        if target == "ssdp:all" { return announcements }
        if target == "upnp:rootdevice" { return [announcements[0]] }
        if target.lowercased() == udn { return [UPnPTarget(type: target, usn: udn)] }
        guard let (type, wanted) = Self.split(target) else { return [] }
        for ours in versionedTypes {
            if let (ourType, ourVersion) = Self.split(ours), ourType == type, wanted <= ourVersion {
                return [UPnPTarget(type: target, usn: "\(udn)::\(target)")]
            }
        }
        return []
    }

    /// A versioned type as its name and its version; `nil` for anything else.
    private static func split(_ type: String) -> (name: Substring, version: Int)? {
        guard let colon = type.lastIndex(of: ":") else { return nil }
        let digits = type[type.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.count <= 9, digits.first != "0",
            digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let version = Int(digits)
        else { return nil }
        return (type[..<colon], version)
    }
}

/// A notification or search type with the unique service name that goes with it.
package struct UPnPTarget: Hashable, Sendable {
    /// NT or ST.
    package let type: String
    /// USN.
    package let usn: String
}
