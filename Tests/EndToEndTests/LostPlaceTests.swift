// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

/// Places that can't be written: found out before the VM runs where that can be, else nothing of the work is lost.
extension EndToEndTests {
    /// Runs what a message tells to run, as a person would who copies it.
    private func follow(_ message: String, _ environment: [String: String]) async throws -> Tool.Result {
        let command = try #require(message.components(separatedBy: "then run: ").dropFirst().last, "\(message)")
        let path = "\(Repository.programs):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")"
        return try await Tool.run(
            "sh", ["-c", "cd / && \(command)"], environment: environment.merging(["PATH": path]) { $1 })
    }

    private func program(_ scratch: ScratchDirectory, _ script: String) throws -> String {
        let path = scratch.file("program-\(UInt32.random(in: 0 ... .max))")
        try File(path, .create(permissions: 0o755)).write(Array("#!/bin/sh\n\(script)\n".utf8), at: 0)
        return path.string
    }

    @Test("a VM whose overlay has no place at the end is kept, and the printed command writes the overlay")
    func keptOverlay() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let directory = scratch.file("it's a\nface")
        let taking = try program(scratch, "mkdir \"$PLACE\" && echo mine > \"$PLACE/mine\"")
        let environment = chain.environment.merging(["PLACE": directory.string]) { $1 }
        let result = try await Program.cloudlet(
            [
                "overlay", chain.disk.string, "-o", directory.string, "--provision", taking, "--", "-redir",
                "tcp:0::9876",
            ],
            environment: environment)
        #expect(result.status != 0 && result.errors.contains("the VM is kept as it was"), "\(result.errors)")
        // The command works as it is printed, although the place is still taken.
        let second = try await follow(result.errors, chain.environment)
        #expect(second.status == 0, "\(second.errors)")
        #expect(try Directory.names(in: directory) == ["mine"])
        let free = scratch.file("it's a\nface-2")
        let verified = try await Program.cloudlet(
            ["verify", free.string, "--base", chain.disk.string], environment: chain.environment)
        #expect(verified.status == 0, "\(verified.errors)")
        #expect(try Directory.names(in: free).contains("it's a_face.overlay-meta"))
        #expect(try Directory.names(in: chain.home.appending("kept")).isEmpty)
        try await requireNothingLeft(chain)
    }

    @Test("places for overlays and residues that can't be written are refused before the VM runs")
    func impossiblePlaces() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        _ = try scratch.write("file", [1])
        let running = try program(scratch, "touch '\(scratch.path)/ran'")
        for place in ["/proc/face", scratch.file("file/face").string, "/x/" + String(repeating: "n", count: 256), ""] {
            for command in [
                ["overlay", chain.disk.string, "--provision", running, "-o", place],
                ["synthesis", chain.disk.string, chain.overlay.string, "--residue", place],
            ] {
                let result = try await Program.cloudlet(command, environment: chain.environment)
                #expect(result.status != 0 && !result.output.contains("runs"), "\(command): \(result.errors)")
                #expect(!result.errors.contains("Domain="), "\(result.errors)")
            }
        }
        #expect(try Directory.names(in: scratch.path).filter { !$0.hasPrefix("program") } == ["file"])
        #expect(try FileStatus.of("/x") == nil)
    }

    @Test("a base VM whose files have no place at the end is made by the printed commands; a twin leaves nothing")
    func keptBase() async throws {
        let scratch = try ScratchDirectory()
        // Executes zeros: nothing that ever writes to its disk.
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        bytes.replaceSubrange(510..<512, with: [0x55, 0xAA])
        _ = try scratch.write("ok", bytes)
        let full = try program(scratch, "dd if=/dev/zero of=place/filling bs=1M 2> /dev/null; true")
        let taken = try program(scratch, "mkdir place/other.base-mem-index")
        let script = """
            cd "$1" && mkdir place && mount -t tmpfs -o size=100m none place || exit 1
            for disk in "a b" other twin; do cp ok "place/$disk.raw"; done
            make() { cloudlet base "place/$1.raw" --memory 32 --machine pc --provision "$2" 2> err && exit 1; cat err >&2; }
            follow() { sh -c "cd / && $(sed -n 's/^error.*then run: //p' err)" || exit 1; }
            make "a b" "$2"; rm place/filling; follow
            grep -ao '<machine [^>]*>' "place/a b.base-mem" >&2
            cloudlet del-base "place/a b.raw"
            make other "$3"; rmdir place/other.base-mem-index; follow
            make twin true; ls -l place/twin* >&2
            """
        let path = "\(Repository.programs):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")"
        let result = try await Tool.run(
            "unshare", ["-m", "sh", "-c", script, "sh", scratch.path.string, full, taken],
            environment: ["CLOUDLET_HOME": scratch.file("home").string, "PATH": path])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("is kept in") && result.errors.contains("has no boot loader"))
        #expect(result.errors.contains("all its files are beside"), "\(result.errors)")
        #expect(result.output.components(separatedBy: "is registered").count == 3, "\(result.output)")
        #expect(try Directory.names(in: scratch.file("home/kept")).isEmpty)
        #expect(result.errors.contains("type=\"pc-i440fx-"), "\(result.errors)")
        #expect(result.errors.contains("same content is registered already"), "\(result.errors)")
        let left = result.errors.split(separator: "\n").filter { $0.contains("place/twin") && $0.hasPrefix("-") }
        #expect(left.count == 1 && left[0].hasPrefix("-rw-r--r--"), "\(left)")
    }
}

extension EndToEndTests {
    @Test(
        "work in a VM that is done outlives an interruption, which is told with the commands that go on; a second gives up"
    )
    func interrupted() async throws {
        let scratch = try ScratchDirectory()
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        bytes.replaceSubrange(510..<512, with: [0x55, 0xAA])
        // Hashing this takes long enough to be interrupted.
        try scratch.write("disk.raw", bytes).resize(to: 512 << 20)
        let whenWritten = try program(
            scratch, "(until ls *.base-mem.part-*; do kill -0 $PPID || exit; done; kill -INT $PPID) > /dev/null 2>&1 &")
        let once = try program(scratch, "kill -INT $PPID; exec sleep 60")
        let twice = try program(scratch, "trap '' TERM; kill -INT $PPID; sleep 1.2; kill -TERM $PPID")
        let script = """
            cd "$1" || exit 1
            follow() { sh -c "cd / && $(sed -n 's/^error.*then run: //p' "$1")" > "$1.out" 2>&1 || exit 1; }
            cloudlet base disk.raw --memory 32 --provision "$2" 2> base; echo $? > base.status; follow base
            cloudlet overlay disk.raw -o once --provision true --closing-step "$3" 2> once.err; echo $? > once.status
            follow once.err && cloudlet verify once --base disk.raw || exit 1
            cloudlet overlay disk.raw -o twice --provision true --closing-step "$4" 2> twice.err; echo $? > twice.status
            """
        let path = "\(Repository.programs):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")"
        let result = try await Tool.run(
            "sh", ["-c", script, "sh", scratch.path.string, whenWritten, once, twice],
            environment: ["CLOUDLET_HOME": scratch.file("home").string, "PATH": path])
        func text(_ name: String) -> String {
            String(decoding: (try? File(scratch.file(name), .read).read(1 << 16, at: 0)) ?? [], as: UTF8.self)
        }
        #expect(result.status == 0, "\(result.errors) \(text("base"))")
        #expect(text("base.status") == "130\n" && text("once.status") == "130\n" && text("twice.status") == "130\n")
        for name in ["base", "once.err"] {
            let told = text(name)
            #expect(told.contains("The VM is being kept") && told.contains(", run: rm -r"), "\(told)")
        }
        #expect(text("base.out").contains("is registered"))
        #expect(text("twice.err").contains("interrupted") && !text("twice.err").contains("kept"))
        #expect(try FileStatus.of(scratch.file("twice")) == nil)
        #expect(try Directory.names(in: scratch.file("home/kept")).isEmpty)
    }
}

/// Disks that can't become base VMs where they are, or are not free: refused before they are booted.
@Suite(
    .enabled(if: EndToEndRequirements.missing.isEmpty, "needs \(EndToEndRequirements.missing.joined(separator: ", "))"))
struct LostBasePlaceTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// Runs `cloudlet base` on a disk below `place` in a namespace of its own, after a shell's preparations.
    private func base(_ preparation: String, name: String = "ok.raw", _ options: [String] = []) async throws
        -> Tool.Result
    {
        var disk = [UInt8](repeating: 0, count: 8192)
        disk.replaceSubrange(510..<512, with: [0x55, 0xAA])
        try Directory.create(scratch.file("place"))
        try FileSystem.remove(scratch.file("ok"))
        _ = try scratch.write("ok", disk)
        let script = """
            cd "$1" && \(preparation) && shift && timeout 60 "$@"
            status=$?; [ -z "$holder" ] || kill "$holder"; exit $status
            """
        return try await Tool.run(
            "unshare",
            [
                "-m", "sh", "-c", script, "sh", scratch.path.string, Program.path("cloudlet"), "base",
                scratch.file("place/\(name)").string, "--memory", "64", "--provision", "true",
            ] + options, environment: ["CLOUDLET_HOME": scratch.file("home").string])
    }

    @Test("a place that is read-only, too small, or allows no such files or names is told before the disk is booted")
    func places() async throws {
        let long = String(repeating: "n", count: 236) + ".raw"
        for (preparation, name, status, text) in [
            (
                "cp ok place/ok.raw && mount --bind place place && mount -o remount,bind,ro place", "ok.raw", 77,
                "Read-only"
            ),
            ("mount -t tmpfs -o size=8m none place && cp ok place/ok.raw", "ok.raw", 74, "of free space"),
            ("mount -t tmpfs none place && cp ok place/ok.raw && ulimit -f 1000", "ok.raw", 74, "ulimit -f"),
            ("mount -t tmpfs none place && cp ok place/\(long)", long, 71, "shorter name"),
        ] as [(String, String, Int32, String)] {
            let result = try await base(preparation, name: name)
            #expect(result.status == status && result.errors.contains(text), "\(result.status): \(result.errors)")
            #expect(!result.errors.contains("was booted"), "\(result.errors)")
        }
    }

    @Test(
        "an image that there is no room for is refused with the room that is missing, and leaves nothing",
        arguments: [
            // Random data, whose amount the image shows; compressed data that takes more than it says, or leaves no room
            // for the base VM.
            (37, "qemu-img convert -O qcow2 big place/a.qcow2", "a.qcow2", "has room for"),
            (37, "xz -0 -c big > place/b.xz", "b.xz", "has room for"),
            (21, "xz -0 -c text > place/c.xz", "c.xz", "does not fit into"),
            (36, "xz -0 -c text > place/d.xz", "d.xz", "of free space"),
        ])
    func roomForConversion(mebibytes: Int, make: String, name: String, text: String) async throws {
        let result = try await base(
            """
            cp ok big && head -c 20000000 /dev/urandom >> big && cp ok text && seq 3000000 >> text && \
            truncate -s %512 big text && mount -t tmpfs -o size=\(mebibytes)m none place && \(make) && rm big text && \
            trap 'ls place > left' EXIT && true
            """, name: name, ["--memory", "16"])
        #expect(result.status == 74 && result.errors.contains(text), "\(result.status): \(result.errors)")
        #expect(!result.errors.contains("booted"), "\(result.errors)")
        let left = String(decoding: try File(scratch.file("left"), .read).read(1000, at: 0), as: UTF8.self)
        #expect(left == "\(name)\n", "left: \(left)")
    }

    @Test("a disk that another emulator has, and a machine type that does not exist, are not said to have been booted")
    func notBooted() async throws {
        let held = try await base(
            """
            cp ok place/ok.raw && { qemu-system-x86_64 -accel tcg -nodefaults -display none -S \
            -drive file=place/ok.raw,format=raw,if=virtio & } && holder=$! && \
            while qemu-io -f raw -c quit place/ok.raw > /dev/null 2>&1; do sleep 0.1; done
            """)
        #expect(held.status == 69 && held.errors.contains("was not changed"), "\(held.errors)")
        let unknown = try await base("cp ok place/ok.raw", ["--machine", "pc-i440fx-0.1"])
        #expect(unknown.status == 69 && unknown.errors.contains("no machine type 'pc-i440fx-0.1'"), "\(unknown.errors)")
        #expect(!unknown.errors.contains("booted"), "\(unknown.errors)")
    }
}

extension EndToEndTests {
    @Test(
        "a base VM on a read-only file system is registered, by its manifest and by hashing, though its disk has a write bit"
    )
    func readOnlyBase() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let scratch = try ScratchDirectory()
        let script = """
            cp --sparse=always "$1"/guest.* place && chmod u+w place/guest.raw && mount --bind place place \
                && mount -o remount,bind,ro place || exit 1
            "$2" add-base place/guest.raw && "$2" del-base place/guest.raw && "$2" add-base place/guest.raw "$3"
            """
        try Directory.create(scratch.file("place"))
        let result = try await Tool.run(
            "unshare",
            [
                "-m", "sh", "-c", script, "sh", chain.directory.string, Program.path("cloudlet"),
                try #require(chain.baseHashes["guest.raw"]?.hex),
            ], environment: ["CLOUDLET_HOME": scratch.file("home").string], directory: scratch.path)
        #expect(result.status == 0, "\(result.errors)")
    }
}
