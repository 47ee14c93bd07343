// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Dispatch
import FoundationEssentials
import Glibc
import Testing

@Suite struct MallocArenasTests {
    /// The number of heaps that malloc made for arenas of threads. They begin at multiples of 64 MiB.
    private static func threadHeaps() throws -> Int {
        let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
        return maps.split(separator: "\n").count { line in
            guard line.contains(" rw-p 00000000 00:00 0"), let end = line.firstIndex(of: "-"),
                let start = UInt64(line[..<end], radix: 16)
            else { return false }
            return start.isMultiple(of: 64 << 20)
        }
    }

    /// The number of heaps while each of several threads holds a block.
    private static func threadHeaps(with threads: Int) throws -> Int {
        let (holds, release) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        for _ in 0..<threads {
            _ = DetachedThread.start {
                let block = unsafe malloc(1 << 10)
                holds.signal()
                release.wait()
                unsafe free(block)
            }
        }
        for _ in 0..<threads { holds.wait() }
        defer { for _ in 0..<threads { release.signal() } }
        return try threadHeaps()
    }

    @Test("threads share the arenas that are allowed")
    func limit() async {
        // The limit lasts as long as the process, so it is set in a process of its own.
        await #expect(processExitsWith: .success) {
            let processors = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
            MallocArenas.limit()
            // Heaps that threads of the runtime made before the limit remain.
            let before = try Self.threadHeaps()
            let heaps = try Self.threadHeaps(with: 12 * processors)
            #expect(heaps <= max(before, 2, processors))
        }
    }
}
