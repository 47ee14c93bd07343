// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import SystemPackage

/// The node as a UPnP device (UDA 2.0 §2): its type, its services, and the targets of searches that it answers.
package struct UPnPDevice: Hashable, Sendable {
    /// The node's id, the device's UDN.
    package let id: NodeID
    /// The name that users see: under 64 characters, as `friendlyName` requires.
    package let friendlyName: String
    /// TCP port of the synthesis protocol, which the original's service type contains.
    package let synthesisPort: UInt16

    /// Creates the device of `record`.
    package init(_ record: NodeRecord) {
        id = record.id
        friendlyName = record.name
        synthesisPort = record.synthesisPort
    }

    /// The original's device type of 2013, for which its clients search.
    package static let deviceType = "urn:schemas-upnp-org:device:CloudletServer:1"
    /// The service type for current control points.
    package static let synthesisServiceType = "urn:schemas-cloudlet:service:Synthesis:1"
    /// The original's service type, with the TCP port where the version should be.
    package var originalServiceType: String { "urn:schemas-upnp-org:service:port:\(synthesisPort)" }

    /// The value of SERVER and USER-AGENT: system and product, each with its version (UDA 2.0 §1.2.2). Of the kernel's
    /// version it shows only the first number, which helps no attacker.
    package static let server: String = {
        let release = (try? File("/proc/sys/kernel/osrelease", .read).read(64, at: 0)) ?? []
        let major = String(decoding: release.prefix { 0x30...0x39 ~= $0 }, as: UTF8.self)
        return "Linux/\(major.isEmpty ? "0" : major) UPnP/2.0 Cloudlet/1.0"
    }()

    /// The unique device name.
    package var udn: String { "uuid:\(id)" }

    /// The types with a version, in the order of the description.
    package var versionedTypes: [String] { [Self.deviceType, originalServiceType, Self.synthesisServiceType] }

    /// The targets to announce (UDA 2.0, tables 1-1 and 1-3): root device, UDN, device type, and one for each service
    /// type.
    package var announcements: [UPnPTarget] {
        [UPnPTarget(type: "upnp:rootdevice", usn: "\(udn)::upnp:rootdevice"), UPnPTarget(type: udn, usn: udn)]
            + versionedTypes.map { UPnPTarget(type: $0, usn: "\(udn)::\($0)") }
    }

    /// The targets to answer a search with; empty when it does not match this device. A search for a lower version than
    /// ours gets an answer with that version, a search for a higher one gets none.
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

    /// Splits a type into name and version; `nil` when it has no version.
    private static func split(_ type: String) -> (name: Substring, version: Int)? {
        guard let colon = type.lastIndex(of: ":") else { return nil }
        let digits = type[type.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.count <= 9, digits.first != "0",
            digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let version = Int(digits)
        else { return nil }
        return (type[..<colon], version)
    }
}

/// A notification or search target with its unique service name.
package struct UPnPTarget: Hashable, Sendable {
    /// The value of NT or ST.
    package let type: String
    /// The value of USN.
    package let usn: String
}
