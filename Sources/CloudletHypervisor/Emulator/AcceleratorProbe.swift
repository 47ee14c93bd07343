// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import FoundationEssentials
import Glibc
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

    /// How long a verdict that KVM does not work is used, at most. A short time is enough for several commands in a row.
    static let negativeLifetime = Duration.seconds(300)

    /// The verdict for this host. That KVM works is stored in `cache` until the next boot or a change of the device's
    /// permissions. That it does not work is stored for five minutes, and only if the guest had enough processor time.
    package static func verdict(cache: FilePath) async throws(CloudletError) -> Verdict {
        guard unsafe access(device, F_OK) == 0 else { return Verdict(kvm: false, reason: "there is no \(device)") }
        guard unsafe access(device, R_OK | W_OK) == 0 else {
            return Verdict(
                kvm: false, reason: "no right to use \(device); add the user to the group 'kvm' and log in again")
        }
        return try await verdict(cache: cache, key: try cacheKey()) { () async throws(CloudletError) in
            try await ProbeRun(accelerator: "kvm").outcome()
        }
    }

    /// The verdict for a host with the device, from `cache` if it is stored for `key`, otherwise from `probe`.
    static func verdict(
        cache: FilePath, key: String, at now: Date = Date(),
        probe: () async throws(CloudletError) -> ProbeRun.Outcome
    ) async throws(CloudletError) -> Verdict {
        if let known = CachedVerdict.load(from: cache), known.key == key, known.isValid(at: now) {
            return known.verdict
        }
        var outcome = try await probe()
        // The host may just have been busy, or the page cache cold, as it is after a boot.
        if outcome != .succeeded, outcome != .guestIsSlow { outcome = try await probe() }
        let verdict = verdict(outcome)
        if outcome == .succeeded || outcome == .guestIsSlow {
            CachedVerdict(key: key, verdict: verdict, time: now.timeIntervalSince1970).store(to: cache)
        }
        return verdict
    }

    private static func verdict(_ outcome: ProbeRun.Outcome) -> Verdict {
        switch outcome {
        case .succeeded: Verdict(kvm: true, reason: "KVM runs guests")
        case .guestIsSlow:
            Verdict(kvm: false, reason: "\(device) exists, but a guest did not finish its test program in time")
        case .hostIsBusy:
            Verdict(kvm: false, reason: "\(device) exists, but the host was too busy to run a guest")
        case .failed(let words):
            Verdict(
                kvm: false, reason: "\(device) exists, but QEMU can't use it\(words.map { " (\($0))" } ?? "")")
        }
    }

    /// Whether the emulator works at all: runs the test program in emulation.
    package static func emulatorWorks() async throws(CloudletError) -> Bool {
        try await ProbeRun(accelerator: "tcg", guestLimit: .seconds(20)).outcome() == .succeeded
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
    /// When the verdict was found, in seconds since 1970. Earlier versions did not store it.
    var time: Double?

    func isValid(at now: Date) -> Bool {
        if verdict.kvm { return true }
        guard let time else { return false }
        return (0..<AcceleratorProbe.negativeLifetime.seconds).contains(now.timeIntervalSince1970 - time)
    }

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
