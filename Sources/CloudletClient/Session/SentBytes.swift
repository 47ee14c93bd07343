// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Counts the bytes sent of each blob.
final class SentBytes: Sendable {
    private let bytes = Mutex<[Int: Int]>([:])

    /// Notes that the first `count` bytes of a blob are sent.
    /// - Returns: the bytes sent of all blobs; those sent again count once.
    func note(_ count: Int, of blob: Int) -> Int {
        bytes.withLock { bytes in
            bytes[blob] = max(count, bytes[blob] ?? 0)
            return bytes.values.reduce(0, +)
        }
    }
}
