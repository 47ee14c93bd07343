// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import Testing

@testable import CloudletSynthesis

/// What qemu-img tells of an image whose tables a guest had in its hands.
@Suite struct MappedExtentsTests {
    private func extents(_ lines: [String], size: Int = 1 << 20) throws -> [ChangedImage.Extent] {
        let file = try SharedMemory(named: "map", size: 4096).file
        return try MappedExtents(parsing: Array("[\(lines.joined(separator: ","))]".utf8)).extents(of: file, size: size)
    }

    private func line(
        _ start: Int, _ length: Int, depth: Int = 0, data: Bool = true, zero: Bool = false, offset: Int? = 65536
    ) -> String {
        let place = offset.map { ",\"offset\":\($0)" } ?? ""
        return "{\"start\":\(start),\"length\":\(length),\"depth\":\(depth),\"present\":true,"
            + "\"data\":\(data),\"zero\":\(zero)\(place)}"
    }

    @Test("what differs from the base is kept, cut to the disk's size")
    func kept() throws {
        let found = try extents([
            line(0, 4096), line(4096, 4096, depth: 1), line(8192, 4096, data: false, zero: true, offset: nil),
            line((1 << 20) - 4096, 8192),
        ])
        #expect(found.map(\.range) == [0..<4096, 8192..<12288, (1 << 20) - 4096..<1 << 20])
        #expect(try extents([line(1 << 20, 4096), line(1 << 30, 4096)]).isEmpty)
    }

    @Test("numbers that can't be are refused, and nothing dies of them")
    func refused() throws {
        for lines in [
            [line(.max, 1)], [line(4096, .max)], [line(-4096, 4096)], [line(0, -1)], [line(0, .min)],
            [line(0, 8192), line(4096, 4096)], [line(0, 4096, offset: -1)], [line(0, 4096, offset: .max)],
            [line(7, 4096)], [line(0, 4096, data: false, offset: nil)], ["{}"], [line(0, 4096) + "]"],
        ] {
            let error = #expect(throws: CloudletError.self) { try extents(lines) }
            #expect(error?.code == .unavailable, "\(lines)")
        }
    }
}
