public import CloudletCore
public import CloudletSystem

/// A snapshot file, opened: its layout, description and device state checked and at hand, its RAM in place.
public struct SnapshotFile: Sendable {
    /// The file.
    public let file: File
    /// Where things are.
    public let layout: SnapshotLayout
    /// The machine and its forwards.
    public let description: VMDescription

    private let origin: Int

    /// Opens a snapshot and checks footer and description.
    /// - Parameters:
    ///   - file: the snapshot.
    ///   - origin: the snapshot's byte that is the file's first; where RAM lies elsewhere, the file holds the rest.
    /// - Throws: `CloudletError.badData` when the file is no snapshot, or damaged.
    public init(_ file: File, origin: Int = 0) throws(CloudletError) {
        self.file = file
        self.origin = origin
        let size = try file.size() + origin
        guard size >= origin + Page.size, size % Page.size == 0 else {
            throw CloudletError(.badData, "\(file.path) is no memory snapshot: \(size) bytes are no whole pages")
        }
        do throws(CloudletError) {
            let footer = try file.read(Page.size, at: size - Page.size - origin)
            layout = try SnapshotLayout(footer: footer.span, fileBytes: size)
            description = try VMDescription(
                parsing: try file.read(layout.descriptionBytes, at: layout.descriptionOffset - origin))
            guard description.machine.memoryBytes == layout.memoryBytes else {
                throw CloudletError(.badData, "description and footer differ in the memory's size")
            }
        } catch {
            throw error.during("\(file.path)")
        }
    }

    /// The device state.
    public func deviceState() throws(CloudletError) -> [UInt8] {
        try file.read(layout.stateBytes, at: layout.stateOffset - origin)
    }

    /// Writes a snapshot behind RAM that is in its place already (or into a file that starts with a hole as large).
    /// - Returns: the layout; the file has exactly its size afterwards.
    @discardableResult
    public static func writeTail(
        _ description: VMDescription, state: [UInt8], emulator: String, to file: File, at origin: Int = 0
    ) throws(CloudletError) -> SnapshotLayout {
        let document = Array(description.document().utf8)
        guard document.count <= SnapshotLayout.descriptionArea else {
            throw CloudletError(.usage, "too many port forwards for a snapshot's description")
        }
        let layout = SnapshotLayout(
            memoryBytes: description.machine.memoryBytes, descriptionBytes: document.count, stateBytes: state.count,
            emulator: emulator)
        try file.resize(to: layout.fileBytes - origin)
        try file.write(document, at: layout.descriptionOffset - origin)
        try file.write(state, at: layout.stateOffset - origin)
        try file.write(layout.footer(), at: layout.footerOffset - origin)
        return layout
    }
}

/// Copies guest RAM between files and shared memory: holes stay holes, pages of zeros are not written.
public enum MemoryCopy {
    /// Copies `range` of `source` to the same place of `target`, whose range must read as zeros. `keep` is called with
    /// each run of pages about to be copied and answers the parts to copy, for pages that come from elsewhere.
    public static func copy(
        _ range: Range<Int>, from source: File, to target: File,
        keeping keep: @escaping @Sendable (Range<Int>) -> [Range<Int>] = { [$0] },
        progress: (Int) -> Void = { _ in }
    ) async throws(CloudletError) {
        var extents: [Range<Int>] = []
        try source.forEachDataExtent(in: range) { (extent) throws(CloudletError) in extents.append(extent) }
        let units = extents.lazy.flatMap { pieces(of: $0, length: 8 << 20) }
        var done = 0
        try await mapInOrder(units) { (unit) throws(CloudletError) -> Int in
            for part in keep(unit) { try copyPart(part, source, target) }
            return unit.count
        } consume: { (count) throws(CloudletError) in
            done += count
            progress(done)
        }
    }

    private static func copyPart(_ part: Range<Int>, _ source: File, _ target: File) throws(CloudletError) {
        for piece in pieces(of: part, length: 1 << 20) {
            let view = try FileView(source, piece, reading: true)
            var start = 0
            while start < piece.count {
                // Runs of pages that hold something are written in one go.
                var end = start
                while end < piece.count,
                    !view.bytes.extracting(end..<min(end + Page.size, piece.count)).isAllZeros
                {
                    end += Page.size
                }
                end = min(end, piece.count)
                if end > start { try target.write(view.bytes.extracting(start..<end), at: piece.lowerBound + start) }
                start = end + Page.size
            }
        }
    }
}
