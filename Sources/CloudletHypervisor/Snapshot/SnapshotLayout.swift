// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// The layout of a snapshot file (`NAME.base-mem`, and the memory image that overlays address): guest RAM at offset 0,
/// a description area of fixed size, the device state, and a footer page at the end. Every part starts at a page
/// boundary. For the delta layer, all pages are opaque. RAM is at offset 0 so that page k of a snapshot can be compared
/// with page k of its base.
package struct SnapshotLayout: Hashable, Sendable {
    /// Bytes of guest RAM.
    package let memoryBytes: Int
    /// Bytes of the description document.
    package let descriptionBytes: Int
    /// Bytes of the device state.
    package let stateBytes: Int
    /// The emulator that saved the state, for messages.
    package let emulator: String

    /// Size of the description area.
    package static let descriptionArea = 64 << 10
    /// The most device state that is accepted. It normally has less than 1 MB plus the screen's content.
    package static let maximumState = 256 << 20

    /// The size of the largest accepted snapshot: the memory of the largest machine and the largest possible rest.
    package static let maximumBytes = (1 << 40) + descriptionArea + maximumState + Page.size

    private static let magic: [UInt8] = Array("CLOUDLETSNAPSHOT".utf8)
    private static let version: UInt32 = 1

    /// Describes a snapshot.
    package init(memoryBytes: Int, descriptionBytes: Int, stateBytes: Int, emulator: String) {
        self.memoryBytes = memoryBytes
        self.descriptionBytes = descriptionBytes
        self.stateBytes = stateBytes
        self.emulator = emulator
    }

    /// Offset of the description.
    package var descriptionOffset: Int { memoryBytes }
    /// Offset of the device state.
    package var stateOffset: Int { memoryBytes + Self.descriptionArea }
    /// Offset of the footer.
    package var footerOffset: Int { stateOffset + Page.roundUp(stateBytes) }
    /// Bytes of the whole file.
    package var fileBytes: Int { footerOffset + Page.size }

    /// The footer page: 16 bytes magic, u32 version, u32 zero; then as u64 the RAM bytes and the offset and length of
    /// description and device state; then the emulator's version as u16 length and text; zeros to the end. Big-endian.
    package func footer() -> [UInt8] {
        var page = Self.magic
        page.appendBigEndian(Self.version)
        page.appendBigEndian(UInt32(0))
        for value in [memoryBytes, descriptionOffset, descriptionBytes, stateOffset, stateBytes] {
            page.appendBigEndian(UInt64(value))
        }
        let text = Array(emulator.utf8.prefix(1000))
        page.appendBigEndian(UInt16(text.count))
        page += text
        page += [UInt8](repeating: 0, count: Page.size - page.count)
        return page
    }

    /// Reads the footer page of a file of `fileBytes` bytes.
    /// - Throws: `CloudletError.badData` when it is not a footer, or its numbers don't fit the file.
    package init(footer: Span<UInt8>, fileBytes: Int) throws(CloudletError) {
        var reader = ByteReader(footer)
        guard footer.count == Page.size, let magic = try? reader.readArray(16), magic == Self.magic else {
            throw CloudletError(.badData, "not a memory snapshot of this program: its last page is not a footer")
        }
        guard let version = try? reader.readBigEndian(UInt32.self), version == Self.version,
            (try? reader.readBigEndian(UInt32.self)) != nil
        else {
            throw CloudletError(
                .badData, "a memory snapshot of another format version", advice: "use the cloudlet version that made it"
            )
        }
        var numbers: [Int] = []
        for _ in 0..<5 {
            guard let value = try? reader.readBigEndian(UInt64.self), value <= UInt64(fileBytes) else {
                throw Self.inconsistent
            }
            numbers.append(Int(value))
        }
        guard let length = try? reader.readBigEndian(UInt16.self), let text = try? reader.readArray(Int(length)) else {
            throw Self.inconsistent
        }
        self.init(
            memoryBytes: numbers[0], descriptionBytes: numbers[2], stateBytes: numbers[4],
            emulator: String(decoding: text, as: UTF8.self).displayable())
        guard numbers[1] == descriptionOffset, numbers[3] == stateOffset, memoryBytes % Page.size == 0,
            descriptionBytes <= Self.descriptionArea, stateBytes <= Self.maximumState, self.fileBytes == fileBytes
        else { throw Self.inconsistent }
    }

    private static var inconsistent: CloudletError {
        CloudletError(.badData, "the memory snapshot's footer does not fit its file", advice: "the file is damaged")
    }
}
