import CloudletSystem
import FoundationEssentials
import Glibc
import Synchronization
import Testing

@Suite struct HeapsTests {
    /// MallocArenas of threads begin at multiples of 64 MiB.
    private static func threadHeaps() throws -> Int {
        let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
        return maps.split(separator: "\n").count { line in
            guard line.contains(" rw-p 00000000 00:00 0"), let end = line.firstIndex(of: "-"),
                let start = UInt64(line[..<end], radix: 16)
            else { return false }
            return start.isMultiple(of: 64 << 20)
        }
    }

    @Test("threads share the heaps that are allowed")
    func limit() async {
        // The limit is for good, so it is set in a process of its own.
        await #expect(processExitsWith: .success) {
            let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
            MallocArenas.limit()
            // What threads of the runtime made before is there for good.
            let before = try Self.threadHeaps()
            let done = Atomic(0)
            let threads = 12 * processors
            for _ in 0..<threads {
                _ = DetachedThread.start {
                    let block = unsafe malloc(1 << 10)
                    done.add(1, ordering: .relaxed)
                    while done.load(ordering: .relaxed) < threads { usleep(1_000) }
                    unsafe free(block)
                }
            }
            while done.load(ordering: .relaxed) < threads { usleep(1_000) }
            let heaps = try Self.threadHeaps()
            #expect(heaps <= max(before, 2, processors))
        }
    }
}
