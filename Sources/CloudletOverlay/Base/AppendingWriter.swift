// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem

/// Appends bytes to a file in large pieces.
struct AppendingWriter {
    private let file: File
    private(set) var position: Int
    /// Bytes not written yet; append here, then call ``flushIfFull()``.
    var buffer: [UInt8] = []

    init(_ file: File, at position: Int = 0) {
        self.file = file
        self.position = position
    }

    mutating func flushIfFull() throws(CloudletError) {
        if buffer.count >= 1 << 20 { try flush() }
    }

    mutating func flush() throws(CloudletError) {
        try file.write(buffer, at: position)
        position += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }
}
