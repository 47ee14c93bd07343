// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import Logging
import SystemPackage
import Testing

@testable import CloudletNode

/// How much of what is said is written, and who waits for it.
@Suite(.timeLimit(.minutes(1))) struct LogFlowTests {
    /// Two ends of a pipe.
    private struct Pipe {
        let read: File
        let write: File

        init() throws {
            var ends: [Int32] = [-1, -1]
            try #require(unsafe pipe(&ends) == 0)
            read = File(owning: ends[0], named: "pipe")
            write = File(owning: ends[1], named: "pipe")
        }

        /// Reads until a text has come, or no more comes for some seconds.
        func text(until end: String, within seconds: Int32 = 5) throws -> String {
            var text = ""
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while !text.contains(end) {
                var entry = pollfd(fd: read.descriptor, events: Int16(POLLIN), revents: 0)
                guard unsafe Glibc.poll(&entry, 1, seconds * 1000) > 0 else { break }
                let count = unsafe Glibc.read(read.descriptor, &buffer, buffer.count)
                guard count > 0 else { break }
                text += String(decoding: buffer[..<count], as: UTF8.self)
            }
            return text
        }

        /// Starts to read everything if `event` does not happen in time. A writer that waits for a reader by mistake
        /// then continues, so that the test fails instead of hanging.
        func drain(unless event: AsyncEvent, within limit: Duration) {
            _ = DetachedThread.start { [self] in
                // Polls, because a thread can't wait for an event of tasks.
                let end = ContinuousClock.now + limit
                while !event.isSet, ContinuousClock.now < end { usleep(10_000) }
                while !event.isSet { _ = try? text(until: "\u{0}", within: 1) }
            }
        }
    }

    @Test("a reader that stalls holds up nobody; it is told how many lines it missed when it reads again")
    func stalledReader() async throws {
        let pipe = try Pipe()
        let output = LogOutput(
            identifier: "t", format: .text, level: .debug,
            writer: LogWriter(pipe.write.descriptor, capacity: 100_000))
        let logger = output.logger()
        let filler = String(repeating: "x", count: 1000)
        let isSaid = AsyncEvent()
        pipe.drain(unless: isSaid, within: .seconds(10))
        defer { isSaid.set() }
        let time = ContinuousClock().measure {
            // Not counted as repeated: they are of the lowest level.
            for number in 0..<2000 { logger.debug("line \(number) \(filler)") }
        }
        try #require(time < .seconds(10), "\(time)")
        isSaid.set()
        await output.flush()
        async let text = blocking { () throws(CloudletError) in
            do { return try pipe.text(until: "the last word") } catch { throw .wrapping(error, .io, "read") }
        }
        // Waits for the reader now: what there was room for is read, and there is room for this.
        await output.flush()
        logger.debug("the last word")
        let lines = try await text.split(separator: "\n")
        #expect(lines.first?.contains("line 0 ") == true)
        let loss = try #require(lines.first { $0.contains("lines are missing: the reader of the log was too slow") })
        let count = try #require(loss.split(separator: "count=").last.flatMap { Int($0) })
        // What is missing is missing there, and what was not counted as missing is there.
        let kept = lines.count { $0.contains("line ") && $0.contains(filler) }
        #expect(kept + count == 2000 && count > 1500, "\(kept) and \(count)")
    }

    private func line(_ message: String, client: String? = nil, level: Logger.Level = .info) -> LogLine {
        LogLine(level: level, message: message, fields: client.map { ["client": $0] } ?? [:], source: "t")
    }

    @Test("lines that say the same of one client are counted beyond a few; others are written")
    func repeated() {
        var lines = RepeatedLines(
            perClient: .init(burst: 10, perMinute: 5), perMessage: .init(burst: 100, perMinute: 50))
        var now = ContinuousClock.now
        func admitted(_ count: Int, _ line: LogLine) -> Int { (0..<count).count { _ in lines.admits(line, at: now) } }
        #expect(admitted(1000, line("refused", client: "a")) == 10)
        #expect(admitted(1000, line("refused", client: "b")) == 10)
        #expect(admitted(1000, line("ended", client: "a")) == 10)
        #expect(admitted(1000, line("refused", client: "a", level: .debug)) == 1000)
        #expect(lines.due(at: now).isEmpty)
        now += .seconds(60)
        // Each of many clients is known, but together they say too much.
        #expect((0..<5000).count { lines.admits(line("refused", client: "c\($0)"), at: now) } < 150)
        #expect(admitted(1000, line("refused", client: "a")) == 0)
        let counts = lines.due(at: now)
        let first = counts.first { $0.key == .init(level: .info, message: "ended", client: "a") }
        #expect(first?.lines == 990)
        now += .seconds(3600)
        _ = lines.due(at: now)
        now += .seconds(3600)
        #expect(lines.due(all: true, at: now).isEmpty)
        #expect(admitted(1000, line("refused", client: "a")) == 10)
    }

    @Test("what was not written is told with its count before the end")
    func counts() async throws {
        let pipe = try Pipe()
        let output = LogOutput(
            identifier: "t", format: .json, level: .info, writer: LogWriter(pipe.write.descriptor))
        let logger = output.logger()
        for _ in 0..<100 { logger.notice("session failed", metadata: ["client": "10.0.0.9"]) }
        await output.flush()
        let text = try pipe.text(until: "not written")
        let written = text.components(separatedBy: "session failed\",\"program").count - 1
        // On a busy host some time passes, in which more may be said.
        #expect((60...70).contains(written), "\(text)")
        #expect(text.contains("\"client\":\"10.0.0.9\",\"count\":\"\(100 - written)\""), "\(text)")
    }
}
