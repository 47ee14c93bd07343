// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem

/// Writes bytes that arrive in order to a new file. Pages of zeros become holes.
struct SparseWriter {
    private let file: File
    private var buffer: [UInt8] = []
    /// How many bytes were added.
    private(set) var count = 0
    /// How many bytes were stored in the file.
    private(set) var stored = 0

    private static let bufferBytes = 1 << 20

    init(_ file: File) {
        self.file = file
        buffer.reserveCapacity(Self.bufferBytes + 64 << 10)
    }

    /// Adds bytes.
    mutating func add(_ bytes: Span<UInt8>) throws(CloudletError) {
        buffer.append(copying: bytes)
        count += bytes.count
        if buffer.count >= Self.bufferBytes { try write(buffer.count / Page.size * Page.size) }
    }

    /// Writes the rest and sets the file's size.
    mutating func finish() throws(CloudletError) {
        try write(buffer.count)
        try file.resize(to: count)
    }

    /// Writes the first bytes of the buffer, and removes them from it.
    private mutating func write(_ length: Int) throws(CloudletError) {
        let start = count - buffer.count
        var run = 0..<0
        for page in pieces(of: 0..<length, length: Page.size) {
            if buffer.span.extracting(page).isAllZeros {
                try store(run, at: start)
                run = page.upperBound..<page.upperBound
            } else {
                run = run.lowerBound..<page.upperBound
            }
        }
        try store(run, at: start)
        buffer.removeFirst(length)
    }

    private mutating func store(_ run: Range<Int>, at start: Int) throws(CloudletError) {
        guard !run.isEmpty else { return }
        try file.write(buffer.span.extracting(run), at: start + run.lowerBound)
        stored += run.count
    }
}
