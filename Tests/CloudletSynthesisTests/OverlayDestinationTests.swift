// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// Places for overlays, tried before there is anything to write.
@Suite struct OverlayDestinationTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// What stands in the way at a place.
    private func refusal(_ directory: FilePath, name: String = "face") -> CloudletError? {
        do throws(CloudletError) {
            try OverlayDestination.tryWriting(to: directory, name: name)
            return nil
        } catch { return error }
    }

    @Test("a place that is free is taken, and nothing is left there by trying")
    func free() async throws {
        #expect(refusal(scratch.file("new/deep/face")) == nil)
        try Directory.create(scratch.file("empty"))
        #expect(refusal(scratch.file("empty")) == nil)
        #expect(try Directory.names(in: scratch.path) == ["empty"])
        #expect(try Directory.names(in: scratch.file("empty")).isEmpty)
    }

    @Test("places where nothing can be written, and names that are too long, are told at once")
    func impossible() async throws {
        _ = try scratch.write("file", [1])
        try Directory.create(scratch.file("full"))
        _ = try scratch.write("full/x", [1])
        _ = try await Tool.run("ln", ["-s", "nowhere", scratch.file("link").string])
        let long = String(repeating: "n", count: 256)
        let deep = FilePath(scratch.path.string + String(repeating: "/dddddddddddddddddddd", count: 200))
        for place in [
            "", "/proc/face", scratch.file("file"), scratch.file("file/face"), scratch.file("full"),
            scratch.file("link"), scratch.file(long), deep,
        ] as [FilePath] {
            #expect(refusal(place) != nil, "\(place) was taken")
        }
        #expect(refusal(scratch.file("face"), name: String(repeating: "n", count: 240)) != nil)
        #expect(try Directory.names(in: scratch.path) == ["file", "full", "link"])
    }

    @Test("a place without room is told at once, and nothing is left there")
    func room() throws {
        let error = #expect(throws: CloudletError.self) {
            try OverlayDestination.tryWriting(to: scratch.file("face"), name: "face", room: .max)
        }
        #expect(error?.description.contains("too little") == true, "\(error as Any)")
        #expect(try Directory.names(in: scratch.path).isEmpty)
    }

    @Test("a directory that was there gets the files, the meta last; what came meanwhile is not touched")
    func inside() async throws {
        let directory = scratch.file("face")
        try Directory.create(directory)
        let destination = try OverlayDestination(directory, noting: nil)
        #expect(destination.part.string.hasPrefix(directory.string + "/"))
        for name in ["a.xz", "face.overlay-meta", "z.xz"] {
            _ = try File(destination.part.appending(name), .create(permissions: 0o600))
        }
        _ = try scratch.write("face/README", [1])
        let (_, events) = try await DiskJournal.recording(below: scratch.path) {
            try destination.publish(last: "face.overlay-meta")
        }
        #expect(try Directory.names(in: directory) == ["README", "a.xz", "face.overlay-meta", "z.xz"])
        let moved = events.compactMap { event in
            if case .renamed(_, let target) = event { target.lastComponent?.string } else { nil }
        }
        #expect(moved == ["a.xz", "z.xz", "face.overlay-meta"])
    }

    @Test("files that appear where the overlay goes are kept, and the overlay is told to have no place")
    func appearing() throws {
        for isThere in [true, false] {
            let directory = scratch.file("face-\(isThere)")
            if isThere { try Directory.create(directory) }
            let destination = try OverlayDestination(directory, noting: nil)
            _ = try File(destination.part.appending("a.xz"), .create(permissions: 0o600))
            _ = try File(destination.part.appending("m"), .create(permissions: 0o600))
            try Directory.create(directory)
            try File(directory.appending("m"), .create(permissions: 0o600)).write([7], at: 0)
            #expect(throws: CloudletError.self) { try destination.publish(last: "m") }
            destination.discard()
            #expect(try Directory.names(in: directory) == ["m"])
            #expect(try File(directory.appending("m"), .read).read(9, at: 0) == [7])
        }
    }

    @Test("what can't be kept in one place is kept in the next, and waits where there is none")
    func keeping() async throws {
        _ = try scratch.write("file", [])
        let fallback = FallbackStorage([scratch.file("file/x"), scratch.file("b")]) { _ in }
        let kept = try await fallback.fill { (directory) throws(CloudletError) in
            _ = try File(directory.appending("saved"), .create(permissions: 0o600))
        }
        #expect(try Directory.names(in: kept) == ["saved"] && kept.string.hasPrefix(scratch.file("b").string))
        let later = FallbackStorage([scratch.file("file/x")]) { _ in try? FileSystem.remove(scratch.file("file")) }
        let second = try await later.fill { (directory) throws(CloudletError) in
            _ = try File(directory.appending("saved"), .create(permissions: 0o600))
        }
        #expect(try Directory.names(in: second) == ["saved"])
    }
}
