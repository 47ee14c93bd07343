import CloudletCore
import CloudletSystem
import Glibc
import SystemPackage

/// The process of a VM's emulator, found and ended without asking the emulator or libvirt: one that was stopped, or
/// whose main loop hangs, answers neither.
enum EmulatorProcess {
    /// The process of the VM with this name: an emulator is told the name by its command line.
    static func of(vm name: String) throws(CloudletError) -> Int32? {
        let mark = Array("guest=\(name),".utf8)
        for entry in try Directory.names(in: "/proc") {
            guard let process = Int32(entry), let file = try? File(FilePath("/proc/\(entry)/cmdline"), .read),
                let bytes = try? file.read(1 << 16, at: 0)
            else { continue }
            if bytes.split(separator: 0).contains(where: { $0.starts(with: mark) }) { return process }
        }
        return nil
    }

    /// Runs `body`; when that takes longer than `limit`, the emulator of the VM with this name is killed, upon which
    /// libvirt's calls for it come back.
    static func killing<Value>(
        _ name: String, after limit: Duration, _ body: () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value {
        // Not a child: what ends a VM must do so in a task that is cancelled, too.
        let watch = Task {
            try await Task.sleep(for: limit)
            if let process = try Self.of(vm: name) { kill(process, SIGKILL) }
        }
        defer { watch.cancel() }
        return try await body()
    }
}

extension LibvirtDomain {
    /// How long an emulator may take to end by itself.
    private static let patience = Duration.seconds(3)

    /// Ends the emulator, also while other calls wait for it; one that is gone already is fine. libvirt itself asks an
    /// emulator that hangs for ten seconds before it kills it.
    func end() async throws(CloudletError) {
        try await EmulatorProcess.killing(name, after: Self.patience) { () async throws(CloudletError) in
            try await blocking { [self] () throws(CloudletError) in try destroy() }
        }
    }
}
