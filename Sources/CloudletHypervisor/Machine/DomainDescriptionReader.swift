// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMarkup

/// Reads the values that libvirt filled into a domain's description.
enum DomainDescriptionReader {
    /// The port of the VNC display.
    static func vncPort(in document: String) throws(CloudletError) -> UInt16? {
        let root = try MarkupParser().parse(document)
        let graphics = root.child("devices")?.children("graphics").first { $0.attributes["type"] == "vnc" }
        return graphics?.attributes["port"].flatMap { UInt16($0) }
    }

    /// The known CPU models, from QEMU's capabilities for a kind of domain, and whether each can be used. A model can't
    /// be used if the host or the emulator lacks features of it.
    static func cpuModels(in domainCapabilities: String) throws(CloudletError) -> [String: Bool] {
        let root = try capabilitiesParser.parse(domainCapabilities)
        let modes = root.child("cpu")?.children("mode").filter { $0.attributes["name"] == "custom" } ?? []
        let models = modes.flatMap { $0.children("model") }.map { ($0.text, $0.attributes["usable"] != "no") }
        return Dictionary(models) { $0 && $1 }
    }

    /// The full name of the machine type, from QEMU's capabilities for a kind of domain.
    static func machineType(in domainCapabilities: String) throws(CloudletError) -> String {
        guard let name = try capabilitiesParser.parse(domainCapabilities).text(of: "machine") else {
            throw CloudletError(.unavailable, "libvirt does not name the machine type of QEMU's capabilities")
        }
        return name
    }

    /// A parser with larger limits, because capabilities list many machines.
    private static var capabilitiesParser: MarkupParser {
        var parser = MarkupParser()
        parser.maximumBytes = 4 << 20
        parser.maximumElements = 100_000
        return parser
    }

    /// The names of the security models that are active on a host, from its capabilities.
    static func securityModels(in capabilities: String) throws(CloudletError) -> [String] {
        let root = try capabilitiesParser.parse(capabilities)
        return root.child("host")?.children("secmodel").compactMap { $0.text(of: "model") } ?? []
    }
}
