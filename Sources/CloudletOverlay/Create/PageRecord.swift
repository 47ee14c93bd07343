// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// A page that differs from the base's page at the same offset, and what is known about its content. Records take 16 bytes
/// each and are the only part of an overlay under construction that is kept in memory.
struct PageRecord: Sendable {
    /// Where the content of a page comes from.
    enum Content: UInt8, Sendable {
        case zeros
        case baseMemory
        case baseDisk
        /// New content, which the overlay contains; `value` is the start of its hash.
        case new
        /// The content of another page of the overlay; `value` is the index of its record.
        case same
    }

    let page: UInt32
    let image: OverlayImage
    var content: Content
    /// An offset in the base, the start of the hash, or an index; see ``Content``.
    var value: UInt64

    var offset: Int { Int(page) * Page.size }

    /// About how many bytes the item takes before compression, if no patch is used.
    var estimatedBytes: Int {
        switch content {
        case .zeros: 11
        case .baseMemory, .baseDisk, .same: 19
        case .new: 19 + Page.size
        }
    }
}
