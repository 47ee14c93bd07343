public import CloudletCore

/// The overlay-meta: which base VM an overlay belongs to, the sizes of the result, and its blobs in order.
public struct OverlayMeta: Sendable, Hashable {
    /// Identity of the base VM: SHA-256 of its disk.
    public var baseHash: SHA256Digest
    /// Bytes of the disk after synthesis.
    public var diskSize: Int
    /// Bytes of the memory snapshot file after synthesis; 0 in a disk-only overlay, whose VM boots.
    public var memorySize: Int
    /// The blobs in order.
    public var blobs: [Blob]
    /// Our extension `base_memory_sha256`: SHA-256 of the base's memory snapshot, which its disk alone doesn't fix.
    public var baseMemoryHash: SHA256Digest?
    /// Our extension `port_forwards`: the forwards the VM had when the overlay was cut.
    public var forwards: [PortForward]
    /// Our extension `ready_port`: a guest port that answers when the application is ready.
    public var readyPort: UInt16?
    /// Our extension `guest_clock`: who sets the guest's clock when it is resumed (`agent`, `none`).
    public var guestClock: String?
    /// Our extension `guest_random`: who seeds the guest's random generator anew then (`kernel`, `agent`, `none`).
    public var guestRandom: String?

    /// Creates a meta.
    public init(
        baseHash: SHA256Digest, diskSize: Int, memorySize: Int, blobs: [Blob], baseMemoryHash: SHA256Digest? = nil,
        forwards: [PortForward] = [], readyPort: UInt16? = nil, guestClock: String? = nil, guestRandom: String? = nil
    ) {
        self.baseHash = baseHash
        self.diskSize = diskSize
        self.memorySize = memorySize
        self.blobs = blobs
        self.baseMemoryHash = baseMemoryHash
        self.forwards = forwards
        self.readyPort = readyPort
        self.guestClock = guestClock
        self.guestRandom = guestRandom
    }

    /// One compressed file of delta items.
    public struct Blob: Sendable, Hashable {
        /// The file's name, in the directory of the meta.
        public var name: String
        /// The file's size in bytes.
        public var size: Int
        /// Pages of the disk that its items describe, in item order.
        public var diskChunks: [UInt32]
        /// Pages of the memory snapshot that its items describe, in item order.
        public var memoryChunks: [UInt32]
        /// How the file is compressed.
        public var compression: BlobCompression

        /// Creates a description of a blob.
        public init(
            name: String, size: Int, diskChunks: [UInt32], memoryChunks: [UInt32], compression: BlobCompression = .xz
        ) {
            self.name = name
            self.size = size
            self.diskChunks = diskChunks
            self.memoryChunks = memoryChunks
            self.compression = compression
        }

        /// The pages of one image.
        package func chunks(of image: OverlayImage) -> [UInt32] { image == .memory ? memoryChunks : diskChunks }
    }

    /// Whether the overlay brings no memory: its VM boots instead of going on.
    public var isDiskOnly: Bool { memorySize == 0 }

    /// Bytes of all blobs.
    public var totalBlobBytes: Int { blobs.reduce(0) { $0 + $1.size } }

    /// Bytes of one image after synthesis.
    package func size(of image: OverlayImage) -> Int { image == .memory ? memorySize : diskSize }

    /// The pages of one image that the overlay describes.
    package func pages(of image: OverlayImage) -> PageSet {
        var set = PageSet(bound: Page.count(covering: size(of: image)))
        for blob in blobs { for chunk in blob.chunks(of: image) { set.insert(Int(chunk)) } }
        return set
    }
}
