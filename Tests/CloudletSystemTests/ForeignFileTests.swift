// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

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

    /// Opens on a thread of its own: were it waited for a pipe's other end, nothing would end that but who opens it.
    private func refusal(_ path: FilePath, _ mode: File.Mode) async throws -> CloudletError? {
        let opened = LockedValue<Result<File, CloudletError>?>(nil)
        try #require(
            DetachedThread.start {
                opened.value = Result { () throws(CloudletError) in try File(path, mode) }
            })
        let isOver = try await poll(every: .milliseconds(1), for: .seconds(60)) { opened.value != nil }
        #expect(isOver, "\(path) is waited for")
        if !isOver {
            close(unsafe open(path.string, O_RDWR | O_NONBLOCK))
            _ = try await poll(every: .milliseconds(1), for: .seconds(60)) { opened.value != nil }
        }
        return #expect(throws: CloudletError.self) { _ = try opened.value?.get() }
    }

    @Test("a named pipe, a socket and a device are refused at once, by what they are, by links too")
    func refused() async throws {
        let pipe = scratch.file("pipe")
        try #require(unsafe mkfifo(pipe.string, 0o600) == 0)
        let receiver = try #require(DatagramReceiver(at: scratch.file("socket").string))
        try #require(unsafe symlink(pipe.string, scratch.file("link").string) == 0)
        for mode in [File.Mode.read, .readWrite] {
            for (path, kind) in [
                (pipe, "a named pipe"), (scratch.file("socket"), "a socket"), (scratch.file("link"), "a named pipe"),
                (FilePath("/dev/zero"), "a device"),
            ] {
                let error = try await refusal(path, mode)
                #expect(error?.code == .badData && error?.description.contains("\(path) is \(kind)") == true)
            }
        }
        withExtendedLifetime(receiver) {}
    }

    @Test("files of the kernel and in memory are files, and a descriptor's path names the open one, whatever its name")
    func taken() throws {
        #expect(try File("/proc/self/status", .read).read(4, at: 0).count == 4)
        let file = try scratch.write("a b%,;=\"'\n", [7])
        try FileSystem.remove(file.path)
        #expect(try File(file.descriptorPath, .read).read(1, at: 0) == [7])
        #expect(file.descriptorPath.string.wholeMatch(of: /[a-z0-9\/]+/) != nil)
    }
}
