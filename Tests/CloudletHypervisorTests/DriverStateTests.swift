// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

@testable import CloudletHypervisor

@Suite struct DriverStateTests {
    let scratch: ScratchDirectory
    let root: FilePath
    init() throws {
        scratch = try ScratchDirectory()
        root = scratch.file("node")
        try Directory.create(root.appending("run/qemu"))
    }

    private func status(_ name: String, process: Int32) throws {
        let directory = root.appending("lib/qemu/domain-1-\(name)")
        try Directory.create(directory)
        let text = """
            <!-- WARNING: generated -->
            <domstatus state='paused' reason='starting up' pid='\(process)'>
              <job type='none' async='start' flags='0x1'/>
              <libDir path='\(directory)'/>
            </domstatus>
            """
        try FileSystem.remove(root.appending("run/qemu/\(name).xml"))
        try File(root.appending("run/qemu/\(name).xml"), .create(permissions: 0o600)).write(Array(text.utf8), at: 0)
    }

    @Test("the status of a VM that never ran, whose number is another program's, or that is damaged is removed")
    func stale() throws {
        try status("never", process: 0)
        try status("reused", process: getpid())
        try status("gone", process: .max)
        try File(root.appending("run/qemu/damaged.xml"), .create(permissions: 0o600)).write(Array("<dom".utf8), at: 0)
        try File(root.appending("run/qemu/autostarted"), .create(permissions: 0o600)).write([UInt8](), at: 0)
        #expect(try DriverState(root: root).removeStale() == ["damaged", "gone", "never", "reused"])
        #expect(try Directory.names(in: root.appending("run/qemu")) == ["autostarted"])
        #expect(try Directory.names(in: root.appending("lib/qemu")).isEmpty)
    }

    /// A program that stands for an emulator, when it is called so. Its name begins as that of none that `ChildReaper` takes for
    /// one, which would take its end from those who wait for it.
    private func standIn(_ name: String) throws -> String {
        let program = scratch.file(name)
        let shell = URL(filePath: "/bin/sh").resolvingSymlinksInPath().path
        try FileManager.default.copyItem(atPath: shell, toPath: program.string)
        return program.string
    }

    /// Tells a stand-in a VM's name as an emulator is told it. It waits for ever, without a program beside it that would
    /// be left.
    private func arguments(_ name: String, after word: String = "-name") throws -> [String] {
        let pipe = scratch.file("pipe-\(UInt32.random(in: 0 ... .max))")
        try #require(unsafe mkfifo(pipe.string, 0o600) == 0)
        return ["-c", "echo runs; read line <'\(pipe)'; :", word, "guest=\(name),debug-threads=on"]
    }

    private func hasEnded(_ program: BackgroundProgram) async throws -> Bool {
        try await poll(every: .milliseconds(20), for: .seconds(60)) { !program.isRunning }
    }

    @Test("a program whose command line holds a VM's name is not taken for its emulator, and is not killed")
    func decoys() async throws {
        let (other, emulator) = (try standIn("other-program"), try standIn("qemu_stand_in"))
        _ = try await Tool.with(other, arguments("vm-2"), log: scratch.file("log-1")) { decoy in
            _ = try await Tool.with(
                emulator, arguments("vm-2", after: "-title"), log: scratch.file("log-2")
            ) { reader in
                try await decoy.waitFor("runs")
                try await reader.waitFor("runs")
                #expect(try EmulatorProcess.of(vm: "vm-2") == nil)
                try status("vm-2", process: decoy.pid)
                #expect(try DriverState(root: root).removeStale() == ["vm-2"])
                try EmulatorProcess.kill(vm: "vm-2")
                // The emulator, which has a higher number, is found behind them.
                _ = try await Tool.with(emulator, arguments("vm-2"), log: scratch.file("log-3")) { real in
                    try await real.waitFor("runs")
                    #expect(try EmulatorProcess.of(vm: "vm-2") == real.pid)
                    try EmulatorProcess.kill(vm: "vm-2")
                    #expect(try await hasEnded(real))
                }
                #expect(decoy.isRunning && reader.isRunning)
            }
        }
    }

    @Test("of two programs that look like a VM's emulator, that is it whose number the driver has written")
    func noted() async throws {
        let emulator = try standIn("qemu_stand_in")
        _ = try await Tool.with(emulator, arguments("vm-3"), log: scratch.file("log-1")) { first in
            _ = try await Tool.with(emulator, arguments("vm-3"), log: scratch.file("log-2")) { second in
                try await first.waitFor("runs")
                try await second.waitFor("runs")
                let files = DriverState.statusDirectory(of: root)
                for program in [first, second] {
                    try FileSystem.remove(files.appending("vm-3.pid"))
                    try File(files.appending("vm-3.pid"), .create(permissions: 0o600))
                        .write(Array("\(program.pid)\n".utf8), at: 0)
                    #expect(try EmulatorProcess.of(vm: "vm-3", files: files) == program.pid)
                }
            }
        }
    }

    @Test("a detached VM is alive as long as its emulator is, not as long as a process has its number")
    func detached() async throws {
        let work = scratch.file("hypervisor/command-0/work")
        try Directory.create(work.appending("vm-4"))
        try Directory.create(work.appending("vm-5"))
        _ = try await Tool.with(
            try standIn("qemu_stand_in"), arguments("vm-4"), log: scratch.file("log")
        ) { program in
            try await program.waitFor("runs")
            try DetachedVM.mark(work.appending("vm-4"), process: program.pid, uri: nil, forwards: [])
            // This number was given to the tests themselves since.
            try DetachedVM.mark(work.appending("vm-5"), process: getpid(), uri: nil, forwards: [])
            #expect(try DetachedVM.all(under: scratch.file("hypervisor")).map(\.name) == ["vm-4"])
        }
        #expect(try DetachedVM.all(under: scratch.file("hypervisor")).isEmpty)
        let root = try HypervisorRoot(under: scratch.file("hypervisor"), role: .command)
        #expect(root.directory.lastComponent == "command-0")
    }

    @Test("the status of a VM that runs names the directory as it is named now")
    func renamed() async throws {
        _ = try await Tool.with(
            try standIn("qemu_stand_in"), arguments("vm-2"), log: scratch.file("log")
        ) { program in
            try await program.waitFor("runs")
            try status("vm-2", process: program.pid)
            #expect(try DriverState(root: root, name: "/proc/1/fd/9").removeStale().isEmpty)
            let file = root.appending("run/qemu/vm-2.xml")
            func text() throws -> String { String(decoding: try File(file, .read).read(4096, at: 0), as: UTF8.self) }
            #expect(try text().contains("<libDir path='/proc/1/fd/9/lib/qemu/domain-1-vm-2'/>"))
            // The next holder has another number.
            #expect(try DriverState(root: root, name: "/proc/77/fd/12").removeStale().isEmpty)
            #expect(try text().contains("<libDir path='/proc/77/fd/12/lib/qemu/domain-1-vm-2'/>"))
            #expect(try !text().contains("/proc/1/"))
            #expect(try Directory.names(in: root.appending("run/qemu")) == ["vm-2.xml"])
        }
    }

    @Test("the logs of VMs that have ended are bounded; those of VMs that run stay, however old")
    func logs() throws {
        let logs = root.appending("log/qemu")
        try Directory.create(logs)
        for number in 0..<50 {
            let file = try File(logs.appending("vm-\(number).log"), .create(permissions: 0o600))
            var times = [timespec(tv_sec: 1000 + number, tv_nsec: 0), timespec(tv_sec: 1000 + number, tv_nsec: 0)]
            try #require(unsafe futimens(file.descriptor, &times) == 0)
        }
        try status("vm-0", process: getpid())
        let driver = try File(root.appending("libvirt.log"), .create(permissions: 0o600))
        try driver.resize(to: 2 << 20)
        try EmulatorLog.prune(root)
        let left = Set(try Directory.names(in: logs))
        #expect(left == Set((34..<50).map { "vm-\($0).log" } + ["vm-0.log"]))
        #expect(try driver.size() == 0)
    }

    @Test("the status of a VM whose emulator runs stays")
    func alive() async throws {
        _ = try await Tool.with(
            try standIn("qemu_stand_in"), arguments("vm-1"), log: scratch.file("log")
        ) { program in
            try await program.waitFor("runs")
            try status("vm-1", process: program.pid)
            try status("vm-10", process: program.pid)
            #expect(try DriverState(root: root).removeStale() == ["vm-10"])
            #expect(try Directory.names(in: root.appending("lib/qemu")) == ["domain-1-vm-1"])
            // One that the status doesn't know is ended: nobody else could.
            try status("vm-1", process: 0)
            #expect(try DriverState(root: root).removeStale() == ["vm-1"])
            let ended = try await poll(every: .milliseconds(20), for: .seconds(60)) { () throws(CloudletError) in
                try File(FilePath("/proc/\(program.pid)/cmdline"), .read).read(1, at: 0).isEmpty
            }
            #expect(ended)
        }
    }
}
