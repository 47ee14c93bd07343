package import CloudletCore
import CloudletSystem
import FoundationEssentials
import Glibc
import Subprocess
package import SystemPackage

/// Finds out whether KVM really runs guests here, by running one: a `/dev/kvm` may be there and open, and still execute
/// guest code a hundred times too slowly or not at all (nested and paravirtual KVM).
package enum AcceleratorProbe {
    /// What was found, and why.
    package struct Verdict: Sendable, Hashable, Codable {
        /// Whether KVM can be used.
        package let kvm: Bool
        /// The reason, for people.
        package let reason: String

        /// The accelerator to use.
        package var accelerator: MachineDescription.Accelerator { kvm ? .kvm : .tcg }
    }

    private static let device = "/dev/kvm"
    private static let emulator = "qemu-system-x86_64"
    private static let limit = Duration.seconds(2)
    /// What the test program leaves in the emulator's exit status.
    private static let success: Int32 = 33

    /// The verdict for this host. It is kept in `cache` until the next boot or until the device or its rights change.
    package static func verdict(cache: FilePath) async throws(CloudletError) -> Verdict {
        guard unsafe access(device, F_OK) == 0 else { return Verdict(kvm: false, reason: "there is no \(device)") }
        guard unsafe access(device, R_OK | W_OK) == 0 else {
            return Verdict(
                kvm: false, reason: "no right to use \(device); add the user to the group 'kvm' and log in again")
        }
        let key = try cacheKey()
        if let known = CachedVerdict.load(from: cache), known.key == key { return known.verdict }
        let verdict = try await run()
        CachedVerdict(key: key, verdict: verdict).store(to: cache)
        return verdict
    }

    /// Whether the emulator can be run at all: the test program, emulated.
    package static func emulatorWorks() async throws(CloudletError) -> Bool {
        try await run(accelerator: "tcg", within: .seconds(20)).kvm
    }

    /// Runs the test program.
    static func run(
        accelerator: String = "kvm", within limit: Duration = limit
    ) async throws(CloudletError) -> Verdict {
        // In memory: a directory for temporary files may be full, missing or read-only, and others write there too.
        let firmware = try SharedMemory(named: "cloudlet-probe", size: ProbeProgram.firmware.count)
        try firmware.file.write(ProbeProgram.firmware, at: 0)
        defer { withExtendedLifetime(firmware) {} }
        let arguments = [
            "-accel", accelerator, "-machine", "pc", "-cpu", "qemu64", "-m", "2", "-nodefaults", "-display", "none",
            "-no-reboot", "-bios", firmware.path.string, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
        ]
        let status = try await withDeadline(limit) { () async throws(CloudletError) -> TerminationStatus in
            var options = PlatformOptions()
            options.teardownSequence = [.send(signal: .kill, allowedDurationToNextStep: .milliseconds(100))]
            do {
                return try await Subprocess.run(
                    .name(emulator), arguments: Arguments(arguments), platformOptions: options, input: .none,
                    output: .discarded, error: .discarded
                ).terminationStatus
            } catch {
                throw CloudletError(
                    .unavailable, "can't run \(emulator)", advice: "install qemu-system-x86", cause: error)
            }
        }
        switch status {
        case .exited(success): return Verdict(kvm: true, reason: "KVM runs guests")
        case nil: return Verdict(kvm: false, reason: "\(device) is there, but guest code did not finish in \(limit)")
        default: return Verdict(kvm: false, reason: "\(device) is there, but QEMU can't use it")
        }
    }

    /// The verdict may change with the boot, the device's rights and the user.
    private static func cacheKey() throws(CloudletError) -> String {
        let boot = (try? File("/proc/sys/kernel/random/boot_id", .read).read(64, at: 0)) ?? []
        let status = try FileStatus.of(FilePath(device))
        return String(decoding: boot, as: UTF8.self).filter { !$0.isWhitespace }
            + "-\(status?.permissions ?? 0)-\(status?.owner ?? 0)-\(geteuid())"
    }
}

/// The verdict as it is kept between runs.
private struct CachedVerdict: Codable {
    let key: String
    let verdict: AcceleratorProbe.Verdict

    static func load(from path: FilePath) -> CachedVerdict? {
        guard let bytes = try? File(path, .read).read(4096, at: 0) else { return nil }
        return try? JSONDecoder().decode(CachedVerdict.self, from: Data(bytes))
    }

    /// A verdict that can't be kept is found again the next time.
    func store(to path: FilePath) {
        guard let data = try? JSONEncoder().encode(self) else { return }
        try? data.write(to: URL(filePath: path.string), options: .atomic)
    }
}
