// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import Glibc

/// Standard input, read line by line.
package enum StandardInput {
    /// Waits until a line is entered, and discards it.
    /// - Returns: `false` when the input ends before.
    /// - Throws: `CloudletError.interrupted` when the task is cancelled.
    package static func waitForLine() async throws(CloudletError) -> Bool {
        while try await waitUntilReadable(STDIN_FILENO) {
            var buffer = [UInt8](repeating: 0, count: 256)
            let capacity = buffer.count
            let count = unsafe read(STDIN_FILENO, &buffer, capacity)
            guard count > 0 else { return false }
            if buffer[..<count].contains(UInt8(ascii: "\n")) { return true }
        }
        throw CloudletError(.interrupted, "interrupted")
    }
}
