public import CloudletCore
public import CloudletSystem

/// An overlay to be sent: the meta's bytes, and a way to open each blob.
public struct OutgoingOverlay: Sendable {
    /// A blob to be sent.
    public struct Blob: Sendable {
        /// Its name in the meta.
        public let name: String
        /// Its size in bytes.
        public let size: Int
        /// Where it begins in its file.
        public let offset: Int
        /// Opens its file.
        public let open: @Sendable () throws(CloudletError) -> File

        /// Describes a blob.
        public init(
            name: String, size: Int, offset: Int = 0, open: @escaping @Sendable () throws(CloudletError) -> File
        ) {
            self.offset = offset
            self.name = name
            self.size = size
            self.open = open
        }
    }

    /// The overlay-meta as it lies on the disk.
    public let meta: [UInt8]
    /// The blobs in the order of the meta.
    public let blobs: [Blob]
    /// The forwards the meta names, for nodes that don't report them.
    public let forwards: [PortForward]

    /// Describes an overlay.
    public init(meta: [UInt8], blobs: [Blob], forwards: [PortForward]) {
        self.meta = meta
        self.blobs = blobs
        self.forwards = forwards
    }

    /// Bytes of all blobs.
    public var totalBytes: Int { blobs.reduce(0) { $0 + $1.size } }
}
