// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import FoundationEssentials
import Subprocess
import SystemPackage

/// The engine on files, without a VM around it, for Scripts/bench overlay. Base VMs are those registered under
/// CLOUDLET_HOME.
///
///     overlay-bench capture DISK DIR PROGRAM [discard|keep]
///     overlay-bench create DISK DIR OVERLAY xz|zstd [LEVEL [BLOB-BYTES [HISTORY-LOG]]]
///     overlay-bench apply DISK OVERLAY SCRATCH [DIR]
@main
struct OverlayBench {
    static func main() async throws {
        var words = CommandLine.arguments.dropFirst()
        let verb = words.popFirst() ?? ""
        guard let disk = words.popFirst() else { throw usage }
        let base = try await base(disk)
        let rest = Array(words)
        switch (verb, rest.count) {
        case ("capture", 2...3): try await capture(base, FilePath(rest[0]), rest[1], discards: rest.last != "keep")
        case ("create", 3...6): try await create(base, FilePath(rest[0]), FilePath(rest[1]), Array(rest[2...]))
        case ("apply", 2...3):
            try await apply(base, FilePath(rest[0]), FilePath(rest[1]), rest.count == 3 ? FilePath(rest[2]) : nil)
        default: throw usage
        }
    }

    private static let usage = CloudletError(.usage, "overlay-bench capture|create|apply DISK ...")

    private static func home() throws(CloudletError) -> CloudletHome {
        try CloudletHome.fromEnvironment(ProcessInfo.processInfo.environment)
    }

    private static func base(_ disk: String) async throws(CloudletError) -> OpenBase {
        let registry = try Registry(try home().database)
        guard let record = try registry.base(disk: try CloudletHome.resolve(FilePath(disk))) else {
            throw CloudletError(.notFound, "\(disk) is no base VM")
        }
        return try await OpenBase.open(record, in: registry)
    }

    /// Resumes the base, lets a program customise it, and keeps both images as they are then.
    private static func capture(
        _ base: OpenBase, _ directory: FilePath, _ program: String, discards: Bool
    ) async throws {
        try Directory.create(directory)
        let home = try home()
        let root = try HypervisorRoot(under: home.hypervisors, role: .command)
        let hypervisor = try await Hypervisor.open(root, accelerator: base.machine.accelerator)
        var options = VMOptions()
        options.forwarding.forwards = [PortForward(hostPort: 0, guestPort: 22)]
        options.discards = discards
        let running = try await BaseResumption(hypervisor: hypervisor).resume(base, options, times: StageTimes())
        do {
            let port = String(running.forwards[0].forward.hostPort)
            let result = try await Subprocess.run(
                .path(FilePath(program)), environment: .inherit.updating(["CLOUDLET_VM_PORT_22": port]),
                input: .none, output: .discarded,
                error: .fileDescriptor(.standardError, closeAfterSpawningProcess: false))
            guard result.terminationStatus.isSuccess else { throw CloudletError(.unavailable, "\(program) failed") }
            if discards { try await running.waitForFreedMemory() }
            try await running.machine.pause()
            let memory = try File(directory.appending("memory"), .create(permissions: 0o644))
            try SnapshotFile.writeTail(
                running.description, state: try await running.machine.saveState(),
                emulator: try await running.machine.emulatorVersion(), to: memory)
            try await MemoryCopy.copy(0..<running.memory.size, from: running.memory, to: memory)
            try await running.machine.destroy()
            let copied = try await Subprocess.run(
                .name("cp"), arguments: [running.disk.string, directory.appending("disk.qcow2").string],
                output: .discarded)
            guard copied.terminationStatus.isSuccess else { throw CloudletError(.io, "the disk can't be copied") }
            try await running.end()
        } catch {
            try? await running.end()
            throw error
        }
    }

    private static func create(
        _ base: OpenBase, _ directory: FilePath, _ overlay: FilePath, _ how: [String]
    ) async throws {
        var options = OverlayOptions(name: "bench")
        guard let method = CompressionMethod(rawValue: how[0]) else { throw usage }
        let numbers = how.dropFirst().map { Int($0) ?? 0 }
        options.compression = try Compressor.Options(
            method, level: numbers.first, historyLog: numbers.count > 2 ? numbers[2] : nil)
        if numbers.count > 1 { options.blobBytes = numbers[1] }
        let times = StageTimes()
        let images = CustomisedImages(
            memory: try .file(try File(directory.appending("memory"), .read), base: base.snapshot.file, as: .memory),
            disk: try await ImageMap.changes(in: directory.appending("disk.qcow2"), size: base.record.diskBytes))
        let result = try await OverlayCreation(base: base, options: options).write(
            images, to: overlay, times: times
        ) { _ in }
        print("bytes", result.meta.totalBlobBytes + (try FileStatus.of(result.metaPath)?.size ?? 0))
        print("blobs", result.meta.blobs.count)
        report(times)
    }

    private static func apply(
        _ base: OpenBase, _ path: FilePath, _ scratch: FilePath, _ original: FilePath?
    ) async throws {
        let overlay = try OverlaySource(at: path)
        try Synthesizer.requireMatch(overlay.meta, base)
        try Directory.create(scratch)
        let times = StageTimes()
        let rebuild = try Rebuild(overlay.meta, base, in: scratch)
        try await rebuild.run(OverlayPieces(overlay), times: times) { _ in }
        try rebuild.disk.finish()
        try rebuild.rebuiltSnapshot().forEachPieceOfState { _ in }
        // Here a VM would go on; what follows only gives the memory back.
        try FileDescriptor.standardOutput.writeAll("rebuilt\n".utf8)
        report(times)
        guard let original else { return }
        // Compared by other programs than ours.
        let script = """
            set -e
            cmp -n \(rebuild.memory.size) \(rebuild.memory.path) \(original)/memory
            tail -c +\(rebuild.memory.size + 1) \(original)/memory | cmp - \(scratch)/tail
            qemu-img compare -q \(rebuild.disk.path) \(original)/disk.qcow2
            """
        let result = try await Subprocess.run(
            .name("sh"), arguments: ["-c", script],
            output: .fileDescriptor(.standardError, closeAfterSpawningProcess: false),
            error: .fileDescriptor(.standardError, closeAfterSpawningProcess: false))
        guard result.terminationStatus.isSuccess else { throw CloudletError(.badData, "the images differ") }
        print("identical")
    }

    private static func report(_ times: StageTimes) {
        for entry in times.entries { print("stage \(entry.stage.rawValue): \(entry.duration.shown)") }
    }
}
