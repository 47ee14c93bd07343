import CloudletCore
import CloudletMarkup

/// Reads what libvirt filled into a domain's description.
enum DomainDescriptionReader {
    /// The port of the VNC display.
    static func vncPort(in document: String) throws(CloudletError) -> UInt16? {
        let root = try MarkupParser().parse(document)
        let graphics = root.child("devices")?.children("graphics").first { $0.attributes["type"] == "vnc" }
        return graphics?.attributes["port"].flatMap { UInt16($0) }
    }

    /// The names of the security models that are active on a host, from its capabilities.
    static func securityModels(in capabilities: String) throws(CloudletError) -> [String] {
        var parser = MarkupParser()
        parser.maximumBytes = 4 << 20
        parser.maximumElements = 100_000
        let root = try parser.parse(capabilities)
        return root.child("host")?.children("secmodel").compactMap { $0.text(of: "model") } ?? []
    }
}
