// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Subprocess
import Synchronization
import SystemPackage

/// One run of the probe's program in a guest. The emulator's start and the guest's run have limits of their own: when
/// nothing of the emulator is in the page cache, its start alone can take many seconds.
struct ProbeRun: Sendable {
    /// The name of QEMU's accelerator.
    let accelerator: String
    var emulator = Executable.name("qemu-system-x86_64")
    /// How long the emulator may take until it is ready to run the guest.
    var startLimit = Duration.seconds(60)
    /// How much processor time the guest may take to run the program. Where guests run well, it takes hundredths of a
    /// second.
    var guestLimit = Duration.seconds(2)
    /// How many times as long it may take in all, on a host that is too busy to give it that much.
    var patience = 10

    /// The result of a run.
    enum Outcome: Hashable, Sendable {
        /// The guest ran the program to its end.
        case succeeded
        /// The guest did not finish in its processor time.
        case guestIsSlow
        /// The emulator was not ready in time, or the guest did not get its processor time.
        case hostIsBusy
        /// The emulator ended without the program's result; its last error message, if there is one.
        case failed(String?)
    }

    /// The emulator's exit status when the program succeeds.
    private static let success: Int32 = 33
    private static let logBytes = 64 << 10

    /// Runs the program.
    /// - Throws: `CloudletError.unavailable` when the emulator can't be run, or `interrupted`.
    func outcome() async throws(CloudletError) -> Outcome {
        // The firmware is in memory, because a directory for temporary files can be full, missing, read-only or shared.
        let firmware = try SharedMemory(named: "cloudlet-probe", size: ProbeProgram.firmware.count)
        try firmware.file.write(ProbeProgram.firmware, at: 0)
        defer { withExtendedLifetime(firmware) {} }
        // Through a socket, because writing to the pipe of an ended emulator would end this process (SIGPIPE).
        let monitor = try SocketPair()
        let input = FileDescriptor(rawValue: monitor.theirs.descriptor)
        defer { withExtendedLifetime(monitor) {} }
        var options = PlatformOptions()
        options.teardownSequence = [.send(signal: .kill, allowedDurationToNextStep: .milliseconds(100))]
        let expired = Mutex<Outcome?>(nil)
        do {
            let result = try await Subprocess.run(
                emulator, arguments: Arguments(arguments(firmware: firmware.path)), platformOptions: options,
                input: .fileDescriptor(input, closeAfterSpawningProcess: false), output: .sequence,
                error: .string(limit: Self.logBytes)
            ) { execution in
                var lines = execution.standardOutput.strings().makeAsyncIterator()
                // Errors are ignored: an emulator that has ended reads no commands, and its exit status shows why.
                _ = try? await withDeadline(startLimit) { () async throws(CloudletError) in
                    try? Self.command("qmp_capabilities", to: monitor.ours)
                    while let line = try? await lines.next(), !line.contains(#""return""#) {}
                } orEnd: { reason in
                    if reason == .late { expired.withLock { $0 = .hostIsBusy } }
                    try? execution.send(signal: .kill)
                }
                _ = try? await withDeadline(guestLimit) { () async throws(CloudletError) in
                    try? Self.command("cont", to: monitor.ours)
                    while (try? await lines.next()) != nil {}
                } orEnd: { reason in
                    if reason == .late {
                        let outcome = await outcome(ofLateGuest: execution.processIdentifier.value)
                        // If the guest has finished meanwhile, this task is cancelled.
                        if Task.isCancelled { return }
                        expired.withLock { $0 = outcome }
                    }
                    try? execution.send(signal: .kill)
                }
            }
            if Task.isCancelled { throw CloudletError(.interrupted, "interrupted") }
            if result.terminationStatus == .exited(Self.success) { return .succeeded }
            return expired.withLock { $0 } ?? .failed(EmulatorLog.lastWords(in: result.standardError))
        } catch {
            if let error = error as? CloudletError { throw error }
            throw InstalledProgram.cannotRun("\(emulator)", package: "qemu-system-x86", cause: error)
        }
    }

    private static func command(_ name: String, to monitor: File) throws(CloudletError) {
        try monitor.writeAll(Array((MonitorCommand(execute: name, arguments: Nothing()).text() + "\n").utf8).span)
    }

    private func arguments(firmware: FilePath) -> [String] {
        [
            "-accel", accelerator, "-machine", "pc", "-cpu", "qemu64", "-m", "2", "-nodefaults", "-display", "none",
            "-no-reboot", "-bios", firmware.string, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-S", "-qmp",
            "stdio",
        ]
    }

    /// Waits until the emulator has used the guest's processor time, but not for ever.
    private func outcome(ofLateGuest process: Int32) async -> Outcome {
        // The kernel reports no event when a process has used some processor time.
        let hasUsed = try? await poll(every: guestLimit / 8, for: guestLimit * (patience - 1)) {
            () throws(CloudletError) in
            // Some of the time was used before the guest ran.
            (ProcessFigures.processorTime(of: process) ?? .zero) >= guestLimit
        }
        return hasUsed == true ? .guestIsSlow : .hostIsBusy
    }
}
