// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Foundation
import Synchronization

@testable import CloudletHypervisor

/// A program at the guest's end of an agent's channel. It runs on a thread until the other end is closed.
final class FakeAgent: Sendable {
    /// A request as it arrived.
    struct Request: Sendable {
        /// The command.
        let name: String
        /// Its arguments.
        let arguments: [String: String]
        /// Whether a byte preceded it that is no part of JSON, and makes an agent drop an incomplete request.
        let isDelimited: Bool

        init?(_ line: [UInt8]) {
            isDelimited = line.first == 0xFF
            let text = isDelimited ? line.dropFirst() : line[...]
            guard let object = try? JSONSerialization.jsonObject(with: Data(text)) as? [String: Any],
                let name = object["execute"] as? String
            else { return nil }
            self.name = name
            let values = object["arguments"] as? [String: Any] ?? [:]
            arguments = values.mapValues { "\($0)" }
        }

        /// The right answer to a synchronization; `nil` for another command.
        var synchronization: [UInt8]? {
            guard name == "guest-sync-delimited", isDelimited else { return nil }
            return [0xFF] + Array("{\"return\": \(arguments["id"] ?? "")}\n".utf8)
        }
    }

    /// The host's end.
    let channel: AgentChannel
    private let stream: File
    private let seen = Mutex<[Request]>([])

    /// An agent that answers each request with what `answer` writes to the stream.
    init(_ answer: @escaping @Sendable (Request, File) -> Void) throws {
        let pair = try SocketPair()
        channel = AgentChannel(pair.ours)
        stream = pair.theirs
        _ = DetachedThread.start { [weak self, stream = pair.theirs] in
            var rest: [UInt8] = []
            while let bytes = (try? stream.receive(atMost: 4096, before: nil)) ?? nil, !bytes.isEmpty {
                rest += bytes
                let parts = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                rest = Array(parts.last ?? [])
                for request in parts.dropLast().compactMap({ Request(Array($0)) }) {
                    self?.seen.withLock { $0.append(request) }
                    answer(request, stream)
                }
            }
        }
    }

    /// An agent that answers synchronizations, and other requests with a line.
    convenience init(answering answer: @escaping @Sendable (Request) -> String) throws {
        try self.init { request, stream in
            stream.send(request.synchronization ?? Array((answer(request) + "\n").utf8))
        }
    }

    deinit { stream.shutDown() }

    /// The requests so far, without synchronizations.
    var requests: [Request] { seen.withLock { $0.filter { $0.synchronization == nil } } }

    /// Ends the emulator.
    func end() { stream.shutDown() }
}

extension File {
    /// Writes bytes to a stream whose reader may have gone.
    /// - Returns: whether they were written.
    @discardableResult func send(_ bytes: [UInt8]) -> Bool { (try? writeAll(bytes.span)) != nil }

    /// Writes text to a stream whose reader may have gone.
    @discardableResult func send(_ text: String) -> Bool { send(Array(text.utf8)) }
}
