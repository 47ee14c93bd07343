import CloudletCore
import CloudletWire

/// What a session reports to a client that wants to know how far the work is.
enum SessionReport: Sendable, Hashable {
    /// It waits for room; position 1 is the next.
    case queued(position: Int)
    /// So much of the overlay was received, 0 to 100.
    case received(percent: UInt64)
    /// The VM is being resumed.
    case resuming

    /// The report as it is sent.
    var message: ServerMessage {
        switch self {
        case .queued(let position):
            .progress(stage: .waiting, percent: nil, position: UInt64(clamping: position))
        case .received(let percent): .progress(stage: .receiving, percent: percent)
        case .resuming: .progress(stage: .resuming, percent: nil)
        }
    }
}
