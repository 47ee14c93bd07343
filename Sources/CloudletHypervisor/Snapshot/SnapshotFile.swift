// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem

/// An open snapshot file. Its layout and description have been read and checked; device state and RAM are in the file.
package struct SnapshotFile: Sendable {
    /// The file.
    package let file: File
    /// The layout of the file.
    package let layout: SnapshotLayout
    /// The machine and its forwards.
    package let description: VMDescription

    private let origin: Int

    /// Opens a snapshot and checks footer and description.
    /// - Parameters:
    ///   - file: the snapshot.
    ///   - origin: the offset in the snapshot that corresponds to the first byte of the file, if the RAM is stored
    ///     elsewhere.
    /// - Throws: `CloudletError.badData` when the file is not a snapshot, or is damaged.
    package init(_ file: File, origin: Int = 0) throws(CloudletError) {
        self.file = file
        self.origin = origin
        let stored = try file.size()
        guard stored >= Page.size, stored <= SnapshotLayout.maximumBytes - origin, (stored + origin) % Page.size == 0
        else {
            throw CloudletError(
                .badData, "\(file.path) is not a memory snapshot: \(stored) bytes are too many or not whole pages")
        }
        let size = stored + origin
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

    /// Calls `body` with the device state in pieces, because the state can be large.
    /// - Throws: `CloudletError.io` when it can't be read, or the file was truncated after it was opened.
    package func forEachPieceOfState(_ body: (Span<UInt8>) throws(CloudletError) -> Void) throws(CloudletError) {
        for piece in pieces(of: 0..<layout.stateBytes, length: Self.pieceBytes) {
            let bytes = try file.read(piece.count, at: layout.stateOffset - origin + piece.lowerBound)
            guard bytes.count == piece.count else { throw file.becameShorter }
            try body(bytes.span)
        }
    }

    private static let pieceBytes = 256 << 10

    /// Writes the rest of a snapshot behind RAM that is already in the file (or behind a hole of the same size).
    /// - Returns: the layout. The file then has exactly its size.
    @discardableResult
    package static func writeTail(
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
