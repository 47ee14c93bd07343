/// The documents by which the node describes itself to other programs, embedded into the binary. Places to be filled in
/// are written as `{name}`.
public enum Descriptors {
    /// The UPnP device description (UDA 2.0 §2.3): `configId`, `deviceType`, `friendlyName`, `udn`,
    /// `originalServiceType`, `synthesisServiceType` are to be filled in.
    public static var device: String { text(PackageResources.device_xml) }
    /// The original's service description (2013); `configId` is to be filled in.
    public static var originalService: String { text(PackageResources.original_xml) }
    /// The current service's description (UDA 2.0 §2.5); `configId` is to be filled in.
    public static var synthesisService: String { text(PackageResources.synthesis_xml) }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
