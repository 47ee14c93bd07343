import CloudletDiscovery

/// What is to be published, on the interfaces with these numbers.
struct DesiredPublication: Hashable, Sendable {
    var publication: MDNSPublication
    var interfaces: [Int32: String]
    var withOldName: Bool

    /// The service types.
    var types: [String] { withOldName ? [MDNSPublication.type, MDNSPublication.oldType] : [MDNSPublication.type] }

    /// Whether nothing but the TXT record may differ. The name is not looked at.
    func differsOnlyInText(from other: DesiredPublication) -> Bool {
        interfaces == other.interfaces && withOldName == other.withOldName
            && publication.port == other.publication.port && publication.subtypes == other.publication.subtypes
    }
}
