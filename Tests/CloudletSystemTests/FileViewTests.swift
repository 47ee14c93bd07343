import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Testing

@Suite struct FileViewTests {
    @Test(
        "any range of a file is seen as it is read, and zeros behind its end",
        arguments: [0..<4096, 0..<20000, 100..<300, 4096..<8192, 5000..<9000, 8000..<30000, 40960..<50000, 9000..<9000])
    func ranges(range: Range<Int>) throws {
        let scratch = try ScratchDirectory()
        let content = (0..<9001).map { UInt8(truncatingIfNeeded: $0 / 3) }
        let file = try scratch.write("file", content)
        let view = try FileView(file, range)
        let expected = range.map { $0 < content.count ? content[$0] : 0 }
        #expect([UInt8](copying: view.bytes) == expected)
        let ready = try FileView(file, range, reading: true)
        #expect([UInt8](copying: ready.bytes) == expected)
    }
}
