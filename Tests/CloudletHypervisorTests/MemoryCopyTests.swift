// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletSystem
import CloudletTestSupport
import Testing

/// Copies of guest RAM, also from a file that somebody changes meanwhile.
@Suite struct MemoryCopyTests {
    private static let size = 3 << 20

    /// Runs of data, zeros that are stored, and holes.
    private func source(_ scratch: ScratchDirectory) throws -> File {
        let file = try scratch.write("base-mem", [])
        for page in 0..<Self.size / Page.size where page % 5 != 4 {
            let value = page % 7 == 6 ? 0 : UInt8(truncatingIfNeeded: page | 1)
            try file.write([UInt8](repeating: value, count: Page.size), at: page * Page.size)
        }
        try file.resize(to: Self.size)
        return file
    }

    @Test("what is copied is the same, and zeros take no memory")
    func copies() async throws {
        let scratch = try ScratchDirectory()
        let file = try source(scratch)
        let memory = try SharedMemory(named: "copy", size: Self.size)
        try await MemoryCopy.copy(0..<Self.size, from: file, to: memory)
        let expected = try file.read(Self.size, at: 0)
        #expect(try memory.file.read(Self.size, at: 0) == expected)
        let stored = (0..<Self.size / Page.size).filter { $0 % 5 != 4 && $0 % 7 != 6 }.count
        #expect(try memory.file.status().allocated == stored * Page.size)
        let back = try scratch.write("back", [])
        try back.resize(to: Self.size)
        try await MemoryCopy.copy(0..<Self.size, from: memory, to: back)
        #expect(try back.read(Self.size, at: 0) == expected)
    }

    @Test("a file that is cut before or while it is copied is an error that names it", arguments: [0, 1 << 20, 5000])
    func cut(length: Int) async throws {
        let scratch = try ScratchDirectory()
        let file = try source(scratch)
        let memory = try SharedMemory(named: "copy", size: Self.size)
        let other = try File(file.path, .readWrite)
        let error = await #expect(throws: CloudletError.self) {
            try await MemoryCopy.copy(0..<Self.size, from: file, to: memory) { range in
                // Where its data is has been found out by now.
                try? other.resize(to: length)
                return [range]
            }
        }
        #expect(error?.code == .io && error?.description.contains("base-mem became shorter") == true, "\(error as Any)")
        let again = await #expect(throws: CloudletError.self) {
            try await MemoryCopy.copy(0..<Self.size, from: file, to: memory)
        }
        #expect(again?.code == .io)
    }
}
