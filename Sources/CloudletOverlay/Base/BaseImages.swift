// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem

/// The two images of a base VM, open for reading: the source of an overlay's references and patches.
package struct BaseImages: Sendable {
    /// The disk.
    package let disk: File
    /// The memory snapshot; `nil` where only the disk is used.
    package let memory: File?
    /// Bytes of the disk.
    package let diskSize: Int
    /// Bytes of the memory snapshot, 0 without one.
    package let memorySize: Int

    /// Creates the images from open files and records their sizes.
    package init(disk: File, memory: File?) throws(CloudletError) {
        self.disk = disk
        self.memory = memory
        diskSize = try disk.size()
        memorySize = try memory?.size() ?? 0
    }

    /// The file of one image.
    func file(of image: OverlayImage) -> File? { image == .memory ? memory : disk }

    /// Reads up to a page at any offset of an image.
    /// - Returns: how many bytes were read: fewer than a page at the end of the image, none past it.
    func readPage(of image: OverlayImage, at offset: Int, into buffer: inout [UInt8]) throws(CloudletError) -> Int {
        try read(Page.size, of: image, at: offset, into: &buffer)
    }

    /// Reads up to `count` bytes at any offset of an image.
    /// - Returns: how many bytes were read: fewer than `count` at the end of the image, none past it.
    func read(_ count: Int, of image: OverlayImage, at offset: Int, into buffer: inout [UInt8]) throws(CloudletError)
        -> Int
    {
        guard let file = file(of: image) else { return 0 }
        let stored = max(0, min(count, size(of: image) - offset))
        try file.readWhole(into: &buffer, count: stored, at: offset)
        return stored
    }

    /// The size of one image in bytes when it was opened.
    func size(of image: OverlayImage) -> Int { image == .memory ? memorySize : diskSize }

    /// Checks that no image was truncated since it was opened: the missing part would read as a hole.
    func requireWhole() throws(CloudletError) {
        guard try disk.size() >= diskSize else { throw disk.becameShorter }
        if let memory, try memory.size() < memorySize { throw memory.becameShorter }
    }
}

/// The page hashes of a base VM, to find the content of a page anywhere in its images.
package struct BaseIndex: Sendable {
    private let images: BaseImages
    private let disk: SortedHashList
    private let memory: SortedHashList?

    /// Creates an index from images and their hash lists.
    package init(images: BaseImages, disk: SortedHashList, memory: SortedHashList?) {
        self.images = images
        self.disk = disk
        self.memory = memory
    }

    /// Finds this full page in the base: in memory first, then on the disk. The bytes at the listed offset are compared
    /// with the page, so that a wrong list makes the overlay larger, never incorrect.
    func find(_ page: Span<UInt8>, hash: SHA256Digest, scratch: inout [UInt8]) throws(CloudletError) -> DeltaItem
        .Content?
    {
        if let offset = try memory?.offset(of: hash, scratch: &scratch), offset % Page.size == 0,
            try matches(page, .memory, offset, &scratch)
        {
            return .baseMemory(offset: offset)
        }
        if let offset = try disk.offset(of: hash, scratch: &scratch), offset % Page.sector == 0,
            try matches(page, .disk, offset, &scratch)
        {
            return .baseDisk(offset: offset)
        }
        return nil
    }

    private func matches(
        _ page: Span<UInt8>, _ image: OverlayImage, _ offset: Int, _ scratch: inout [UInt8]
    ) throws(CloudletError) -> Bool {
        let count = try images.readPage(of: image, at: offset, into: &scratch)
        return count == page.count && page.hasSameBytes(as: scratch.span.extracting(0..<count))
    }
}
