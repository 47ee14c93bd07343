package import CloudletCore
import CloudletSystem
import FoundationEssentials
import Glibc
import Subprocess
package import SystemPackage

/// Checks whether KVM really works on this host, by running a test program in a guest. With nested or paravirtual KVM,
/// `/dev/kvm` can exist and be usable, and yet guest code runs a hundred times too slowly or not at all.
package enum AcceleratorProbe {
    /// Whether KVM can be used, and why.
    package struct Verdict: Sendable, Hashable, Codable {
        /// Whether KVM can be used.
        package let kvm: Bool
        /// The reason, for messages.
        package let reason: String

        /// The accelerator to use.
        package var accelerator: MachineDescription.Accelerator { kvm ? .kvm : .tcg }
    }

    private static let device = "/dev/kvm"
    private static let emulator = "qemu-system-x86_64"
    private static let limit = Duration.seconds(2)
    /// The emulator's exit status when the test program succeeds.
    private static let success: Int32 = 33

    /// The verdict for this host. It is stored in `cache` until the next boot or a change of the device's permissions.
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

    /// Whether the emulator works at all: runs the test program in emulation.
    package static func emulatorWorks() async throws(CloudletError) -> Bool {
        try await run(accelerator: "tcg", within: .seconds(20)).kvm
    }

    /// Runs the test program.
    static func run(
        accelerator: String = "kvm", within limit: Duration = limit
    ) async throws(CloudletError) -> Verdict {
        // The firmware is in memory, because a directory for temporary files can be full, missing, read-only or shared.
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

    /// Identifies the conditions of a verdict: the boot, the device's permissions and owner, and the user.
    private static func cacheKey() throws(CloudletError) -> String {
        let boot = (try? File("/proc/sys/kernel/random/boot_id", .read).read(64, at: 0)) ?? []
        let status = try FileStatus.of(FilePath(device))
        return String(decoding: boot, as: UTF8.self).filter { !$0.isWhitespace }
            + "-\(status?.permissions ?? 0)-\(status?.owner ?? 0)-\(geteuid())"
    }
}

/// A verdict as it is stored between runs.
private struct CachedVerdict: Codable {
    let key: String
    let verdict: AcceleratorProbe.Verdict

    static func load(from path: FilePath) -> CachedVerdict? {
        guard let bytes = try? File(path, .read).read(4096, at: 0) else { return nil }
        return try? JSONDecoder().decode(CachedVerdict.self, from: Data(bytes))
    }

    /// Stores the verdict. If that fails, the next run probes again.
    func store(to path: FilePath) {
        guard let data = try? JSONEncoder().encode(self) else { return }
        try? data.write(to: URL(filePath: path.string), options: .atomic)
    }
}
