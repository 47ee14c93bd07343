// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Collects the output of a command.
package final class Transcript: Sendable {
    private let state = Mutex((results: "", notes: ""))

    /// Creates an empty transcript.
    package init() {}

    /// The text written to standard output.
    package var results: String { state.withLock(\.results) }

    /// The text written to standard error.
    package var notes: String { state.withLock(\.notes) }

    func add(_ text: String, isResult: Bool) {
        state.withLock { if isResult { $0.results += text } else { $0.notes += text } }
    }
}
