// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

@testable import CloudletSystem

/// Files that appear when they are on the disk, and what is left of writers that were killed.
@Suite struct PublicationTests {
    private let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private var paths: [FilePath] { ["a", "b", "manifest"].map { scratch.file($0) } }

    private func names() throws -> [String] { try Directory.names(in: scratch.path) }

    /// Files whose content is their name.
    private func filled(_ publication: Publication) throws {
        for path in paths {
            try publication.create(path, permissions: 0o440).write(Array(path.string.utf8), at: 0)
        }
    }

    @Test("every file is on the disk before it has its name, and so is the name before all is done")
    func order() async throws {
        let (_, events) = try await DiskJournal.recording(below: scratch.path) {
            let publication = Publication()
            try filled(publication)
            #expect(try names().allSatisfy { $0.contains(".part-") })
            try publication.publish()
        }
        #expect(try names() == ["a", "b", "manifest"])
        for path in paths {
            #expect(try File(path, .read).read(4096, at: 0) == Array(path.string.utf8))
            #expect(try #require(try FileStatus.of(path)).permissions == 0o440)
        }
        #expect(publishedDurably(paths, events), "\(events)")
        // Of what must be valid together the last one decides: before its name all others have theirs.
        let renames = events.compactMap { if case .renamed(_, let target) = $0 { target } else { nil } }
        #expect(renames.last == paths[2] && Set(renames).isSuperset(of: paths))
    }

    @Test("what was not published is gone")
    func discarded() throws {
        do {
            let publication = Publication()
            try filled(publication)
            #expect(try names().count == 3)
        }
        #expect(try names().isEmpty)
    }

    @Test("a writer that is killed while it writes leaves files that the next one removes; one that lives keeps them")
    func killedWriter() throws {
        let left = ["a.part-x1", "b.part-x1", "manifest.part-x1", "a.part-old"]
        for name in left { _ = try scratch.write(name, [1]) }
        _ = try scratch.write("a.part-of-mine", [1])
        _ = try scratch.write("a.partial", [1])
        let living = Publication()
        try filled(living)
        let kept = try names().filter { !left.contains($0) }
        #expect(try !Publication.recover(paths))
        #expect(try names() == kept)
        living.discard()
        #expect(try names() == ["a.part-of-mine", "a.partial"])
    }

    @Test("what others laid there is not taken for what was left")
    func foreign() throws {
        let other = try scratch.write("other", [1])
        try #require(unsafe symlink("other", scratch.file("manifest.commit-x1").string) == 0)
        try #require(unsafe mkfifo(scratch.file("a.part-x2").string, 0o600) == 0)
        _ = try scratch.write("b.commit-x3", [1])
        // Only root can give files away; others can't have files of others there.
        let isForeign = unsafe chown(scratch.file("b.commit-x3").string, 65534, 65534) == 0
        _ = try Publication.recover(paths)
        let names = try names()
        #expect(names.contains("manifest.commit-x1") && !names.contains("manifest"))
        #expect(names.contains("b.commit-x3") == isForeign)
        #expect(try other.read(1, at: 0) == [1])
    }

    /// The names that are there when a writer is killed after so many of its renames.
    private static let moments: [[String]] = [
        ["a.part-x1", "b.part-x1", "manifest.commit-x1"], ["a", "b.part-x1", "manifest.commit-x1"],
        ["a", "b", "manifest.commit-x1"],
    ]

    @Test("once it is decided, the next one completes what a writer that was killed began", arguments: moments)
    func completed(names left: [String]) async throws {
        for name in left { _ = try scratch.write(name, Array(name.utf8)) }
        let (isCompleted, events) = try await DiskJournal.recording(below: scratch.path) {
            try Publication.recover(paths)
        }
        #expect(try isCompleted && names() == ["a", "b", "manifest"])
        #expect(events.last == .synchronized(scratch.path))
        #expect(try !Publication.recover(paths))
    }

    @Test("publishing that fails half-way leaves what the next one completes")
    func failing() throws {
        let publication = Publication()
        try filled(publication)
        // A directory that is in the way of the second name.
        try Directory.create(scratch.file("b").appending("in the way"))
        #expect(throws: CloudletError.self) { try publication.publish() }
        publication.discard()
        #expect(try names().contains { $0.hasPrefix("manifest.commit-") })
        try FileSystem.remove(scratch.file("b"))
        #expect(throws: Never.self) { try closing(publication) }
        #expect(try Publication.recover(paths) && names() == ["a", "b", "manifest"])
    }

    @Test("publishing that fails before anything has its name takes its decision back and leaves nothing")
    func undecided() throws {
        let publication = Publication()
        try filled(publication)
        try Directory.create(scratch.file("a").appending("in the way"))
        #expect(throws: CloudletError.self) { try publication.publish() }
        publication.discard()
        #expect(try names() == ["a"])
    }

    @Test("where nothing can get its name nothing is written", .enabled(if: geteuid() == 0), arguments: ["+i", "+a"])
    func immutable(attribute: String) async throws {
        _ = try scratch.write("b", [1])
        // An immutable file, or a directory in which files can be made, but neither renamed nor removed.
        let place = attribute == "+i" ? scratch.file("b") : scratch.path
        guard try await Tool.run("chattr", [attribute, place.string]).status == 0 else { return }
        let publication = Publication()
        let error = #expect(throws: CloudletError.self) {
            _ = try publication.create(paths[1], permissions: 0o600)
            _ = try publication.create(paths[2], permissions: 0o600)
            try publication.publish()
        }
        let left = try names()
        try #require(try await Tool.run("chattr", ["-ia", place.string]).status == 0)
        #expect(error?.code == .permission && left == ["b"], "\(left)")
    }

    /// The locks go with the writer.
    private func closing(_: consuming Publication) throws {}

    @Test("a directory gets its name when it is complete, in place of an empty one, never of one that holds something")
    func directories() async throws {
        let target = scratch.file("new").appending("face")
        let (_, events) = try await DiskJournal.recording(below: scratch.path) {
            let publication = Publication()
            let part = try publication.createDirectory(target)
            try File(part.appending("meta"), .create(permissions: 0o644)).synchronize()
            try publication.publish()
        }
        #expect(try Directory.names(in: target) == ["meta"])
        let end = try #require(
            events.firstIndex {
                if case .renamed(_, target) = $0 { true } else { false }
            })
        // The directory above was made for it.
        #expect(events[end...].contains(.synchronized(scratch.file("new"))))
        #expect(events.contains(.synchronized(scratch.path)))
        let late = Publication()
        _ = try late.createDirectory(target)
        #expect(throws: CloudletError.self) { try late.publish() }
        late.discard()
        #expect(try Directory.names(in: target) == ["meta"] && Directory.names(in: scratch.file("new")) == ["face"])
        try Directory.create(scratch.file("new").appending("face.part-z9").appending("left"))
        try Publication.recover([target])
        #expect(try Directory.names(in: scratch.file("new")) == ["face"])
    }

    @Test("a small file is replaced as a whole")
    func replaced() async throws {
        let path = scratch.file("id")
        for text in ["one", "two"] {
            let (_, events) = try await DiskJournal.recording(below: scratch.path) {
                try File.replace(path, with: Array(text.utf8), permissions: 0o600)
            }
            #expect(publishedDurably([path], events))
        }
        #expect(try File(path, .read).read(10, at: 0) == Array("two".utf8) && names() == ["id"])
    }
}
