// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import CloudletControl

@Suite(.timeLimit(.minutes(1))) struct LineBufferTests {
    private func lines(_ buffer: inout LineBuffer) -> [String] {
        var lines: [String] = []
        while let line = buffer.next() { lines.append(String(decoding: line, as: UTF8.self)) }
        return lines
    }

    @Test("lines come out whole and in order, however they are cut into pieces", arguments: [1, 2, 3, 5, 100])
    func pieces(size: Int) {
        let text = Array("one\n\ntwo\nthree\nrest".utf8)
        var (buffer, found) = (LineBuffer(), [String]())
        for start in stride(from: 0, to: text.count, by: size) {
            buffer.append(Array(text[start..<min(text.count, start + size)]))
            found += lines(&buffer)
        }
        #expect(found == ["one", "", "two", "three"] && buffer.count == 4)
        buffer.append(Array("!\n".utf8))
        #expect(lines(&buffer) == ["rest!"] && buffer.count == 0)
    }

    @Test("a long line of small pieces takes time in proportion to its length")
    func long() {
        var buffer = LineBuffer()
        let piece = [UInt8](repeating: 7, count: 64)
        for _ in 0..<65_536 {
            buffer.append(piece)
            #expect(buffer.next() == nil)
        }
        buffer.append([10])
        #expect(buffer.next()?.count == 4 << 20)
    }
}
