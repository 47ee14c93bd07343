// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

/// Unix sockets by their paths, and files that appear in a directory.
@Suite(.timeLimit(.minutes(1))) struct LocalStreamTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    @Test("a socket is its user's alone from its first moment, whatever lay there and whatever the umask is")
    func listen() throws {
        let path = scratch.file("s")
        _ = try File(path, .create(permissions: 0o666))
        let socket = try LocalStream.listen(at: path)
        #expect(try FileStatus.of(path)?.permissions == 0o600)
        #expect(LocalStream.isAnswered(at: path))
        // One that another has left is replaced, also when its maker died before it had its name.
        let other = try LocalStream.listen(at: FilePath("\(path).new"))
        let next = try LocalStream.listen(at: path)
        #expect(try Directory.names(in: scratch.path) == ["s"])
        #expect(LocalStream.isAnswered(at: path))
        withExtendedLifetime((socket, other, next)) {}
    }

    @Test("a path longer than an address of the system works, one whose last part is longer does not and is named")
    func longPath() throws {
        let directory = scratch.file(String(repeating: "deep/", count: 60))
        try Directory.create(directory)
        let path = directory.appending("socket")
        #expect(try LocalStream.connect(to: path) == nil)
        let listener = try LocalStream.listen(at: path)
        let ours = try #require(try LocalStream.connect(to: path))
        let theirs = accept(listener.descriptor, nil, nil)
        try #require(theirs >= 0)
        let peer = File(owning: theirs, named: "peer")
        #expect(try LocalStream.peerUser(of: theirs) == geteuid())
        try ours.writeAll([1, 2, 3].span)
        #expect(try peer.receive(atMost: 10, before: .now + .seconds(10)) == [1, 2, 3])
        #expect(try peer.receive(atMost: 10, before: .now + .milliseconds(1)) == nil)
        ours.shutDown()
        #expect(try peer.receive(atMost: 10, before: nil) == [])
        let error = #expect(throws: CloudletError.self) {
            try LocalStream.listen(at: directory.appending(String(repeating: "x", count: 100)))
        }
        #expect(error?.description.contains("use a shorter name") == true, "\(error as Any)")
    }

    @Test("a program with too many connections waiting is given up")
    func full() throws {
        let path = scratch.file("s")
        let listener = try LocalStream.listen(at: path)
        try #require(Glibc.listen(listener.descriptor, 0) == 0)
        let first = try LocalStream.connect(to: path)
        let error = #expect(throws: CloudletError.self) { try LocalStream.connect(to: path, timeout: .seconds(1)) }
        #expect(error?.code == .unavailable)
        withExtendedLifetime(first) {}
    }

    @Test("a file that appears in a directory is reported, by whichever way it gets its name there")
    func appearances() async throws {
        let directory = scratch.file("d")
        #expect(throws: CloudletError.self) { try DirectoryWatch(directory) }
        try Directory.create(directory)
        let watch = try DirectoryWatch(directory)
        _ = try scratch.write("d/a", [])
        #expect(try await watch.waitForFile())
        let waiting = Task { try await watch.waitForFile() }
        waiting.cancel()
        #expect(try await !waiting.value)
        _ = try scratch.write("b", [])
        try FileSystem.move(scratch.file("b"), to: scratch.file("d/b"))
        #expect(try await watch.waitForFile())
    }
}
