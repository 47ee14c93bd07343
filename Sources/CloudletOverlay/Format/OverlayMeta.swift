// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

public import CloudletCore

/// The overlay-meta: the base VM of an overlay, the sizes of the images after synthesis, and the blobs in order. The format
/// is that of elijah-cloudlet 0.8, described in the article OverlayFormat of this library.
public struct OverlayMeta: Sendable, Hashable {
    /// The identity of the base VM: SHA-256 of its disk.
    public package(set) var baseHash: SHA256Digest
    /// The size of the disk after synthesis, in bytes.
    public package(set) var diskSize: Int
    /// The size of the memory snapshot after synthesis, in bytes; 0 in a disk-only overlay, whose VM boots.
    public package(set) var memorySize: Int
    /// The blobs in order.
    public package(set) var blobs: [Blob]
    /// SHA-256 of the base's memory snapshot, because base VMs with the same disk can have different snapshots. Extension
    /// `base_memory_sha256`.
    public package(set) var baseMemoryHash: SHA256Digest?
    /// The port forwards of the VM when the overlay was created. Extension `port_forwards`.
    public package(set) var forwards: [PortForward]
    /// A TCP port of the guest that answers when the application is ready. Extension `ready_port`.
    public package(set) var readyPort: UInt16?
    /// What sets the guest's clock when the VM is resumed: `agent` or `none`. Extension `guest_clock`.
    public package(set) var guestClock: String?
    /// What reseeds the guest's random number generator when the VM is resumed: `kernel`, `agent` or `none`. Extension
    /// `guest_random`.
    public package(set) var guestRandom: String?

    /// Creates a meta without the guest's clock and random number generator.
    package init(
        baseHash: SHA256Digest, diskSize: Int, memorySize: Int, blobs: [Blob], baseMemoryHash: SHA256Digest? = nil,
        forwards: [PortForward] = [], readyPort: UInt16? = nil
    ) {
        self.baseHash = baseHash
        self.diskSize = diskSize
        self.memorySize = memorySize
        self.blobs = blobs
        self.baseMemoryHash = baseMemoryHash
        self.forwards = forwards
        self.readyPort = readyPort
    }

    /// One compressed file of delta items.
    public struct Blob: Sendable, Hashable {
        /// The name of the file, without directories.
        public package(set) var name: String
        /// The size of the file in bytes.
        public package(set) var size: Int
        /// The numbers of the 4096-byte pages of the disk in the blob, in the order of its items.
        public package(set) var diskChunks: [UInt32]
        /// The numbers of the 4096-byte pages of the memory snapshot in the blob, in the order of its items.
        public package(set) var memoryChunks: [UInt32]
        /// How the file is compressed.
        public package(set) var compression: BlobCompression

        /// Creates a description of a blob.
        package init(
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

    /// Whether the overlay has no memory snapshot, so that its VM boots instead of being resumed.
    public var isDiskOnly: Bool { memorySize == 0 }

    /// The indices of the blobs that contain pages of the memory alone. A VM that boots does not need them.
    package var memoryBlobs: Set<Int> {
        Set(blobs.indices.filter { blobs[$0].diskChunks.isEmpty && !blobs[$0].memoryChunks.isEmpty })
    }

    /// The size of all blobs together, in bytes.
    public var totalBlobBytes: Int { blobs.reduce(0) { $0 + $1.size } }

    /// The size of one image after synthesis, in bytes.
    package func size(of image: OverlayImage) -> Int { image == .memory ? memorySize : diskSize }

    /// The pages of one image in the overlay.
    package func pages(of image: OverlayImage) -> PageSet {
        var set = PageSet(bound: Page.count(covering: size(of: image)))
        for blob in blobs { for chunk in blob.chunks(of: image) { set.insert(Int(chunk)) } }
        return set
    }
}
