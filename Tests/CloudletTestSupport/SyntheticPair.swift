package import CloudletCore
package import CloudletOverlay
package import CloudletSystem

/// A small base VM and a customised VM made of bytes, with every kind of difference an overlay can express.
package struct SyntheticPair: Sendable {
    /// Holds all files.
    package let scratch: ScratchDirectory
    /// The base's images.
    package let base: BaseImages
    /// Their page hashes.
    package let index: BaseIndex
    /// The customised disk.
    package let disk: File
    /// The customised memory snapshot.
    package let memory: File
    /// What the customised disk holds.
    package let diskBytes: [UInt8]
    /// What the customised memory snapshot holds.
    package let memoryBytes: [UInt8]

    /// Pages of the disk, and full pages of the memory.
    package static let pages = 96

    /// Makes a pair; the memory ends with a page of `tail` bytes.
    package init(seed: UInt64, tail: Int = 908) async throws {
        var random = SeededRandom(seed: seed)
        scratch = try ScratchDirectory()
        func page() -> [UInt8] { (0..<Page.size).map { _ in UInt8.random(in: 0...255, using: &random) } }

        var baseDisk: [UInt8] = []
        var baseMemory: [UInt8] = []
        for number in 0..<Self.pages {
            baseDisk += number % 5 == 4 ? [UInt8](repeating: 0, count: Page.size) : page()
            baseMemory += number % 7 == 6 ? [UInt8](repeating: 0, count: Page.size) : page()
        }
        baseMemory += page().prefix(tail)

        var disk = baseDisk
        var memory = baseMemory
        func put(_ bytes: some Collection<UInt8>, _ image: inout [UInt8], _ page: Int) {
            image.replaceSubrange(page * Page.size..<page * Page.size + bytes.count, with: bytes)
        }
        let shared = page()
        put([UInt8](repeating: 0, count: Page.size), &memory, 0)  // zeros
        put(baseMemory[40 * Page.size..<41 * Page.size], &memory, 1)  // a base memory page elsewhere
        put(baseDisk[20 * Page.size + 512..<21 * Page.size + 512], &memory, 2)  // a base disk window at a sector
        put(shared, &memory, 3)  // the same new page four times, in both images
        put(shared, &memory, 50)
        put(shared, &disk, 8)
        put(shared, &disk, 70)
        put(Array("changed in place".utf8), &memory, 9)  // a patch
        put(page(), &memory, 10)  // a new page
        put(page(), &disk, 11)
        put(Array("in place".utf8), &disk, 12)
        put(baseMemory[30 * Page.size..<31 * Page.size], &disk, 13)
        put([UInt8](repeating: 0, count: Page.size), &disk, 14)
        put(page().prefix(tail), &memory, Self.pages)  // the short last page

        let diskFile = try scratch.write("base.raw", baseDisk)
        let memoryFile = try scratch.write("base.base-mem", baseMemory)
        base = try BaseImages(disk: diskFile, memory: memoryFile)
        index = try await Self.index(base, scratch)
        self.disk = try scratch.write("new.raw", disk)
        self.memory = try scratch.write("new.mem", memory)
        diskBytes = disk
        memoryBytes = memory
    }

    private static func index(_ base: BaseImages, _ scratch: ScratchDirectory) async throws -> BaseIndex {
        let diskList = try scratch.write("base.base-img-meta", [])
        let memoryList = try scratch.write("base.base-mem-meta", [])
        let memoryIndex = try scratch.write("base.base-mem-index", [])
        try await DiskFingerprint.writeHashList(of: base.disk, to: diskList) { (number) throws(CloudletError) in
            try File(scratch.file("d\(number)"), .create(permissions: 0o600))
        }
        if let memory = base.memory {
            try await MemoryFingerprint.writeHashLists(of: memory, to: memoryList, index: memoryIndex) {
                (number) throws(CloudletError) in try File(scratch.file("m\(number)"), .create(permissions: 0o600))
            }
        }
        return BaseIndex(
            images: base, disk: try SortedHashList(diskList), memory: try SortedHashList(memoryIndex))
    }

    /// The sizes of both images.
    package var geometry: OverlayGeometry {
        OverlayGeometry(
            disk: diskBytes.count, memory: memoryBytes.count, baseDisk: base.diskSize, baseMemory: base.memorySize)
    }

    /// The overlay that turns the base into the customised VM.
    package func plan(blobBytes: Int = 1 << 20) async throws -> OverlayPlan {
        try await OverlayPlan.make(
            memory: try .file(memory, base: base.memory ?? memory, as: .memory),
            disk: try .file(disk, base: base.disk, as: .disk), base: base, index: index, blobBytes: blobBytes)
    }
}

/// Keeps an image as bytes in a file that starts as a copy of the base's.
package final class CopyTarget: PageTarget {
    /// The file.
    package let file: File

    /// Writes to this file.
    package init(_ file: File) { self.file = file }

    /// Writes the bytes.
    package func place(_ runs: [Range<Int>], of bytes: Span<UInt8>) throws(CloudletError) {
        try runs.forEachPart(of: bytes) { (run, part) throws(CloudletError) in try file.write(part, at: run.lowerBound)
        }
    }

    /// Writes zeros.
    package func placeZeros(_ length: Int, at offset: Int) throws(CloudletError) {
        try file.write([UInt8](repeating: 0, count: length), at: offset)
    }

    /// Reads what was written.
    package func read(into buffer: inout [UInt8], count: Int, at offset: Int) throws(CloudletError) {
        _ = try file.read(into: &buffer, count: count, at: offset)
    }
}
