// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletWire

/// The progress that a session reports to clients that want it.
enum SessionReport: Sendable, Hashable {
    /// The session waits for room; position 1 is the next.
    case queued(position: Int)
    /// The percentage of the overlay that was received, 0 to 100.
    case received(percent: UInt64)
    /// The VM is being resumed.
    case resuming

    /// The message that carries the report.
    var message: ServerMessage {
        switch self {
        case .queued(let position):
            .progress(stage: .waiting, percent: nil, position: UInt64(clamping: position))
        case .received(let percent): .progress(stage: .receiving, percent: percent)
        case .resuming: .progress(stage: .resuming, percent: nil)
        }
    }
}
