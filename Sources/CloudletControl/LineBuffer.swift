// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Splits received bytes into lines. Each byte is searched once, however many pieces a line arrives in.
struct LineBuffer: Sendable {
    private var bytes: [UInt8] = []
    /// Where the current line begins.
    private var start = 0
    /// Before this position, no line feed follows `start`.
    private var searched = 0

    /// The number of bytes that belong to no complete line that was returned.
    var count: Int { bytes.count - start }

    /// Adds bytes that were received.
    mutating func append(_ piece: [UInt8]) {
        bytes.removeSubrange(..<start)
        searched -= start
        start = 0
        bytes += piece
    }

    /// The next complete line without its line feed; `nil` if there is none yet.
    mutating func next() -> [UInt8]? {
        guard let end = bytes[searched...].firstIndex(of: ControlProtocol.lineFeed) else {
            searched = bytes.count
            return nil
        }
        defer { (start, searched) = (end + 1, end + 1) }
        return Array(bytes[start..<end])
    }
}
