// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Synchronization

/// This program's end of a VM's channel to qemu-guest-agent. Requests and answers are lines of JSON (QEMU's
/// `qga/qapi-schema.json`).
///
/// libvirt is kept away from the channel. It would wait five seconds for an agent that is silent, and parse in this
/// process all that a guest sends: up to 10 MiB at a time, which takes 400 MB, and lists in lists to any depth, at which
/// its parser (9.0) overflows the stack.
///
/// A guest can send anything at any time, or nothing. So every request has a deadline, which bytes that arrive don't
/// extend, and at most ``longestAnswer`` bytes are stored. What a guest sends while no request waits stays in the
/// socket, and QEMU stops taking it from the guest when the socket is full.
final class AgentChannel: Sendable {
    private struct State {
        /// Bytes that were received and not used yet.
        var received: [UInt8] = []
        /// Whether the next line that arrives is the answer to the next request.
        var isInStep = false
        /// Whether QEMU has closed the channel.
        var hasEnded = false
    }

    /// What is waited for, and how long.
    private struct Wait {
        let name: String
        let deadline: ContinuousClock.Instant
        let end: File?

        /// The error for what happens instead of the answer.
        func failure(
            _ what: String, _ code: CloudletError.Code = .unavailable, cause: CloudletError? = nil
        ) -> CloudletError { CloudletError(code, "\(what) \(name)", cause: cause) }
    }

    private let stream: File
    private let state = Mutex(State())

    /// The longest answer that is accepted, in bytes. The calls of this program have answers of a few hundred bytes.
    static let longestAnswer = 64 << 10
    /// How long the end of the channel may refuse a request. Requests are much smaller than the buffer of a socket, so
    /// only an agent that has not read hundreds of them refuses one.
    private static let writeLimit = Duration.milliseconds(100)

    /// Takes over one end of a socket whose other end is QEMU's.
    init(_ stream: File) {
        self.stream = stream
        stream.limitWrites(to: Self.writeLimit)
    }

    /// Sends a request and waits for the answer. Requests run one after another. Blocks until the deadline at most, and
    /// until the request before this one is done.
    /// - Parameters:
    ///   - request: a line without its end.
    ///   - name: the command, for error messages.
    ///   - deadline: when to stop waiting.
    ///   - end: a socket whose end also stops the waiting.
    /// - Returns: the line that the agent sends next, of at most ``longestAnswer`` bytes; `nil` when it sends nothing.
    /// - Throws: `CloudletError.protocolViolation` that says what the agent sends instead of an answer, or
    ///   `.unavailable` when it takes no request or the VM has ended.
    func answer(
        to request: String, named name: String, before deadline: ContinuousClock.Instant, orEndOf end: File? = nil
    ) throws(CloudletError) -> [UInt8]? {
        let wait = Wait(name: name, deadline: deadline, end: end)
        return try state.withLock { (state) throws(CloudletError) in
            guard !state.hasEnded else { throw wait.failure("the VM ended before its agent answered") }
            if !state.isInStep || !state.received.isEmpty {
                guard try synchronize(&state, wait) else { return nil }
            }
            // An answer that arrives too late must not be taken for the one to the next request.
            state.isInStep = false
            try send(Array(request.utf8), wait)
            let line = try self.line(&state, wait)
            state.isInStep = line != nil
            return line
        }
    }

    /// Drops all that the agent still has to say to earlier requests (`guest-sync-delimited`). The byte 0xFF makes the
    /// agent drop an incomplete request, and its answer begins with that byte, which no JSON contains.
    /// - Returns: `false` when the agent sends nothing.
    private func synchronize(_ state: inout State, _ wait: Wait) throws(CloudletError) -> Bool {
        let number = UInt32.random(in: 1 ... .max)
        let request = MonitorCommand(execute: "guest-sync-delimited", arguments: Synchronization(id: number))
        try send([Self.delimiter] + Array(try request.text().utf8), wait)
        var dropped = 0
        while true {
            while let start = state.received.firstIndex(of: Self.delimiter) {
                dropped += start
                state.received.removeSubrange(...start)
                guard let line = try self.line(&state, wait) else { break }
                let answered = try? MonitorAnswer<UInt32>.value(of: line, command: "guest-sync-delimited")
                if answered == number { return true }
                dropped += line.count
            }
            dropped += state.received.count
            state.received.removeAll()
            guard let bytes = try receive(&state, wait) else {
                guard dropped > 0 else { return false }
                throw wait.failure(
                    "the guest agent sent \(ByteCount(dropped)) that are no answer to", .protocolViolation)
            }
            state.received = bytes
        }
    }

    private struct Synchronization: Encodable { let id: UInt32 }

    private static let delimiter: UInt8 = 0xFF

    /// The next line, without its end; `nil` when nothing arrives.
    private func line(_ state: inout State, _ wait: Wait) throws(CloudletError) -> [UInt8]? {
        var searched = 0
        while true {
            if let end = state.received[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { state.received.removeSubrange(...end) }
                return Array(state.received[..<end])
            }
            searched = state.received.count
            guard searched < Self.longestAnswer else {
                throw wait.failure(
                    "the guest agent sent more than \(ByteCount(Self.longestAnswer)) as the answer to",
                    .protocolViolation)
            }
            guard let bytes = try receive(&state, wait) else {
                guard searched > 0 else { return nil }
                throw wait.failure("the guest agent sent in time only a part of the answer to", .protocolViolation)
            }
            state.received += bytes
        }
    }

    /// The next bytes; `nil` when the time is over. A flood never makes the socket wait, so the time is checked first.
    private func receive(_ state: inout State, _ wait: Wait) throws(CloudletError) -> [UInt8]? {
        guard ContinuousClock.now < wait.deadline,
            let bytes = try stream.receive(atMost: Self.pieceBytes, before: wait.deadline, orEndOf: wait.end)
        else { return nil }
        guard bytes.isEmpty else { return bytes }
        state.hasEnded = true
        throw wait.failure("the VM ended before its agent answered")
    }

    private static let pieceBytes = 16 << 10

    private func send(_ request: [UInt8], _ wait: Wait) throws(CloudletError) {
        do throws(CloudletError) { try stream.writeAll((request + [UInt8(ascii: "\n")]).span) } catch {
            throw wait.failure("the guest agent does not take the request", cause: error)
        }
    }
}
