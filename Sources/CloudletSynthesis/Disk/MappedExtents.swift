// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem
import FoundationEssentials

/// The output of `qemu-img map --output=json`: the extents of an image. A guest wrote the image, so every number in the
/// output is checked.
struct MappedExtents {
    /// One line of the map.
    private struct Entry: Decodable {
        let start: Int
        let length: Int
        let depth: Int
        let data: Bool
        let zero: Bool
        let offset: Int?
    }

    private let entries: [Entry]

    /// Reads the output.
    init(parsing output: [UInt8]) throws(CloudletError) {
        do { entries = try JSONDecoder().decode([Entry].self, from: Data(output)) } catch {
            throw CloudletError(.unavailable, "the output of qemu-img map is not understood", cause: error)
        }
    }

    /// The ranges that differ from the base, in ascending order, cut to `size`. Their bytes are in `file`.
    /// - Throws: `CloudletError.unavailable` when the map is not valid for such an image.
    func extents(of file: File, size: Int) throws(CloudletError) -> [ChangedImage.Extent] {
        var extents: [ChangedImage.Extent] = []
        var position = 0
        for entry in entries where entry.depth == 0 {
            let (end, overflow) = entry.start.addingReportingOverflow(entry.length)
            guard !overflow, entry.length >= 0, entry.start >= position, entry.start % Page.size == 0 else {
                throw CloudletError(
                    .unavailable, "qemu-img map reports an extent that can't be, at byte \(entry.start)")
            }
            guard entry.start < size else { break }
            let range = entry.start..<min(end, size)
            position = range.upperBound
            guard !range.isEmpty else { continue }
            if entry.data, let offset = entry.offset, offset >= 0, offset <= Int.max - range.count {
                extents.append(.init(range, .file(file, offset: offset)))
            } else if entry.zero {
                extents.append(.init(range, .zeros))
            } else {
                throw CloudletError(.unavailable, "qemu-img map reports data it can't place at byte \(entry.start)")
            }
        }
        return extents
    }
}
