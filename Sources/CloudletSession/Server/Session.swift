import CloudletCore
import CloudletSystem
import Foundation
import Synchronization

/// One session: what it is doing, and the wishes that reach it from any connection.
final class Session: Sendable {
    /// What can happen to a session whose VM runs.
    enum Wish: Sendable {
        /// The client is done.
        case finish
        /// The client's connection ended without a word.
        case connectionLost
    }

    let id: SessionID
    let born = ContinuousClock().now
    private let state: Mutex<SessionStatus>
    /// Wishes in the order in which they came.
    let wishes: AsyncStream<Wish>
    private let wish: AsyncStream<Wish>.Continuation
    /// Opens when the session has ended and its VM is gone.
    private let end = Gate()

    init(id: SessionID, client: String) {
        self.id = id
        state = Mutex(SessionStatus(id: id, client: client, created: Date()))
        (wishes, wish) = AsyncStream.makeStream(of: Wish.self)
    }

    var status: SessionStatus { state.withLock { $0 } }

    func update(_ change: (inout SessionStatus) -> Void) { state.withLock { change(&$0) } }

    /// Moves the session from being made to being worked on; `false` when somebody did already.
    func begin() -> Bool {
        state.withLock { status in
            guard status.stage == .created else { return false }
            status.stage = .waiting
            return true
        }
    }

    func send(_ wish: Wish) { self.wish.yield(wish) }

    /// Marks the session as over.
    func markEnded(_ reason: String) {
        update {
            $0.stage = .ended
            $0.endReason = reason
        }
        wish.finish()
        end.open()
    }

    /// Waits until the session is over, or the task is cancelled.
    func waitForEnd() async { await end.wait() }
}
