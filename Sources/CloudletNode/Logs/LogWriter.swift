// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Dispatch
import Glibc
import Synchronization

/// Writes lines to a descriptor on a thread of its own, so that a stalled reader does not block the tasks that log.
/// Lines that exceed the buffer are dropped and counted; when the reader continues, a line reports their number.
final class LogWriter: Sendable {
    private struct State {
        var lines: [[UInt8]] = []
        var bytes = 0
        var dropped = 0
        var isWriting = false
        var hasThread = false
        /// Events that are set when everything is written.
        var flushes: [AsyncEvent] = []
    }

    /// Standard error.
    static let standardError = LogWriter(STDERR_FILENO)

    private let descriptor: Int32
    private let capacity: Int
    private let state = Mutex(State())
    private let available = DispatchSemaphore(value: 0)

    /// Creates a writer to `descriptor`. Up to `capacity` bytes may be waiting, and as many being written.
    init(_ descriptor: Int32, capacity: Int = 1 << 20) {
        self.descriptor = descriptor
        self.capacity = capacity
    }

    /// Queues a line to be written. Never blocks.
    /// - Parameters:
    ///   - line: the line without its line feed.
    ///   - loss: creates the line that reports how many lines were dropped before this one.
    func write(_ line: String, loss: (Int) -> String) {
        let bytes = Array((line + "\n").utf8)
        let needsThread = state.withLock { state in
            guard state.bytes + bytes.count <= capacity else {
                state.dropped += 1
                return false
            }
            if state.dropped > 0 {
                let notice = Array((loss(state.dropped) + "\n").utf8)
                state.dropped = 0
                state.lines.append(notice)
                state.bytes += notice.count
            }
            state.lines.append(bytes)
            state.bytes += bytes.count
            defer { state.hasThread = true }
            return !state.hasThread
        }
        // If no thread can be started now, the next line tries again.
        if needsThread, !DetachedThread.start({ [self] in run() }) { state.withLock { $0.hasThread = false } }
        available.signal()
    }

    /// Waits until everything is written, but not longer than `limit`.
    func flush(within limit: Duration = .seconds(1)) async {
        let written = AsyncEvent()
        let isIdle = state.withLock { state in
            if state.lines.isEmpty, !state.isWriting { return true }
            state.flushes.append(written)
            return false
        }
        if !isIdle { _ = try? await withDeadline(limit) { await written.wait() } }
    }

    private func run() {
        while true {
            available.wait()
            let lines = state.withLock { state in
                defer { (state.lines, state.bytes) = ([], 0) }
                state.isWriting = true
                return state.lines
            }
            let lost = lines.count { !put($0) }
            let flushed = state.withLock { state in
                state.isWriting = false
                state.dropped += lost
                guard state.lines.isEmpty else { return [AsyncEvent]() }
                defer { state.flushes = [] }
                return state.flushes
            }
            for event in flushed { event.set() }
        }
    }

    /// Writes one line, in a single call if possible, so that lines of several threads and processes don't mix.
    /// - Returns: `false` if it could not be written, as on a full disk or after the reader has closed the pipe.
    private func put(_ line: [UInt8]) -> Bool {
        var done = 0
        while done < line.count {
            let count = unsafe line.withUnsafeBytes { bytes in
                unsafe Glibc.write(descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done)
            }
            if count >= 0 {
                done += count
            } else if errno == EAGAIN {
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe Glibc.poll(&entry, 1, -1)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}
