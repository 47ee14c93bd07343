import CloudletCore
import CloudletSystem
import CloudletTestSupport
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
        try Directory.remove(root.appending("run/qemu/\(name).xml"))
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

    @Test("the status of a VM whose emulator runs stays")
    func alive() async throws {
        // A program that is told a VM's name as an emulator is.
        _ = try await Tool.with(
            "sh", ["-c", "echo runs; sleep 20; :", "guest=vm-1,debug-threads=on"], log: scratch.file("log")
        ) { program in
            try await program.waitFor("runs")
            try status("vm-1", process: program.pid)
            try status("vm-10", process: program.pid)
            #expect(try DriverState(root: root).removeStale() == ["vm-10"])
            #expect(try Directory.names(in: root.appending("lib/qemu")) == ["domain-1-vm-1"])
            // One that the status doesn't know is ended: nobody else could.
            try status("vm-1", process: 0)
            #expect(try DriverState(root: root).removeStale() == ["vm-1"])
            let ended = try await poll(every: .milliseconds(20), for: .seconds(5)) { () throws(CloudletError) in
                try File(FilePath("/proc/\(program.pid)/cmdline"), .read).read(1, at: 0).isEmpty
            }
            #expect(ended)
        }
    }
}
