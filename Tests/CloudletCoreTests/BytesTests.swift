// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@Suite struct BytesTests {
    @Test("integers are read and written most significant byte first")
    func bigEndian() throws {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(UInt16(0x0102))
        bytes.appendBigEndian(UInt64(0x0304_0506_0708_090A))
        #expect(bytes == Array(1...10))
        var reader = ByteReader(bytes.span)
        #expect(try reader.readBigEndian(UInt16.self) == 0x0102)
        #expect(try reader.readBigEndian(UInt64.self) == 0x0304_0506_0708_090A)
        #expect(reader.remaining == 0)
    }

    @Test(
        "equal bytes at equal positions are counted, in the whole span and in its prefix",
        arguments: [0, 1, 7, 8, 9, 15, 16, 17, 31, 127, 128, 129, 4079, 4080, 4081, 4096, 5000])
    func same(count: Int) {
        let left = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        for step in [1, 5, 16, 4096, 10_000] {
            var right = left
            for index in stride(from: step - 1, to: count, by: step) { right[index] ^= 1 }
            #expect(left.span.countOfSameBytes(as: right.span) == zip(left, right).count { $0 == $1 })
            #expect(left.span.countOfSamePrefix(as: right.span) == min(step - 1, count))
        }
        #expect(left.span.countOfSameBytes(as: left.span) == count)
    }

    @Test("bytes are copied to a position, and overlapping copies repeat bytes just written")
    func copying() {
        var bytes = [UInt8](repeating: 0, count: 12)
        let source: [UInt8] = [1, 2, 3]
        var span = bytes.mutableSpan
        span.copy(source.span, to: 1)
        span.copy(source.span.extracting(0..<0), to: 12)
        span.repeatBytes(from: 1, to: 4, count: 3)
        span.repeatBytes(from: 5, to: 7, count: 5)
        span.repeatBytes(from: 0, to: 0, count: 0)
        #expect(bytes == [0, 1, 2, 3, 1, 2, 3, 2, 3, 2, 3, 2])
    }

    @Test("reading past the end names the position, the bytes needed and the bytes left")
    func outOfBytes() throws {
        let bytes: [UInt8] = [1, 2, 3]
        var reader = ByteReader(bytes.span)
        _ = try reader.readUInt8()
        var failure: OutOfBytes?
        do { _ = try reader.readBigEndian(UInt32.self) } catch { failure = error }
        #expect(failure?.position == 1 && failure?.needed == 4 && failure?.left == 2)
        #expect(failure?.description == "4 bytes are needed at byte 1, but only 2 are left")
        #expect(try reader.readArray(2) == [2, 3])
    }

    @Test(
        "sizes are printed for people",
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (1_048_576, "1 MiB"),
            (1_048_560, "1.0 MiB"),
            (68_200_000, "65.0 MiB"), (1_073_741_823, "1.0 GiB"), (4 << 30, "4 GiB"), (5_000_000_000_000, "4.5 TiB"),
            (5000 << 40, "5000 TiB"), (Int.max, "8388608.0 TiB"), (-2048, "-2048 B"),
        ])
    func sizes(bytes: Int, text: String) { #expect(ByteCount(bytes).description == text) }

    @Test("sizes are read with units of powers of 1024, and a plain number counts in the unit of its context")
    func readSizes() {
        for (text, bytes) in [("0", 0), ("256", 256 << 20), ("64k", 64 << 10), ("512MiB", 512 << 20), ("4g", 4 << 30)] {
            #expect(ByteCount(text, plainUnit: 1 << 20)?.bytes == bytes, "\(text)")
        }
        for text in ["", "M", "-1", "1.5M", "4GB", "4 GiB", "1T", "9223372036854775807", "١"] {
            #expect(ByteCount(text, plainUnit: 1 << 20) == nil, "\(text)")
        }
        #expect(ByteCount.mebibytes(4096).description == "4 GiB" && ByteCount.mebibytes(.max).bytes == .max)
    }

    @Test("durations are printed in seconds with milliseconds")
    func durations() {
        #expect(Duration.milliseconds(482).shown == "0.482 s")
        #expect(Duration.milliseconds(61_005).shown == "61.005 s")
    }
}
