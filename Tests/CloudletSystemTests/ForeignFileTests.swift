import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

/// What is opened as a file and is none.
@Suite(.timeLimit(.minutes(1))) struct ForeignFileTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private func refusal(_ path: FilePath, _ mode: File.Mode = .read) -> CloudletError? {
        #expect(throws: CloudletError.self) { try File(path, mode) }
    }

    @Test("a named pipe, a socket and a device are refused at once, by what they are, by links too")
    func refused() throws {
        let pipe = scratch.file("pipe")
        try #require(unsafe mkfifo(pipe.string, 0o600) == 0)
        let receiver = try #require(DatagramReceiver(at: scratch.file("socket").string))
        try #require(unsafe symlink(pipe.string, scratch.file("link").string) == 0)
        for mode in [File.Mode.read, .readWrite] {
            for (path, kind) in [
                (pipe, "a named pipe"), (scratch.file("socket"), "a socket"), (scratch.file("link"), "a named pipe"),
                (FilePath("/dev/zero"), "a device"),
            ] {
                let error = refusal(path, mode)
                #expect(error?.code == .badData && error?.description.contains("\(path) is \(kind)") == true)
            }
        }
        withExtendedLifetime(receiver) {}
    }

    @Test("files of the kernel and in memory are files, and a descriptor's path names the open one, whatever its name")
    func taken() throws {
        #expect(try File("/proc/self/status", .read).read(4, at: 0).count == 4)
        let file = try scratch.write("a b%,;=\"'\n", [7])
        try Directory.remove(file.path)
        #expect(try File(file.descriptorPath, .read).read(1, at: 0) == [7])
        #expect(file.descriptorPath.string.wholeMatch(of: /[a-z0-9\/]+/) != nil)
    }
}
