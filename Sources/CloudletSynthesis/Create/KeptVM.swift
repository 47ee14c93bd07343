// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletStore
import CloudletSystem
import FoundationEssentials
package import SystemPackage

/// A customised VM whose overlay could not be written, kept in files: its memory, the part of its snapshot behind the
/// memory, its disk, and the options of the overlay.
package struct KeptVM: Sendable {
    /// The directory with the files.
    package let directory: FilePath
    private let note: Note

    /// The content of `kept.json`, which is stored beside the files.
    private struct Note: Codable {
        var format = 1
        let base: String
        let base_memory: String
        let name: String
        let forwards: [String]
        let ready_port: UInt16?
        let snapshot_bytes: Int?
    }

    private static let noteName = "kept.json"
    private static let memoryName = "memory"
    private static let tailName = "tail"
    private static let diskName = "disk.qcow2"

    /// Opens a kept VM.
    /// - Throws: `CloudletError` when the directory contains no kept VM, or one of another base VM.
    package init(_ directory: FilePath, on base: OpenBase) throws(CloudletError) {
        self.directory = directory
        guard try FileStatus.of(directory.appending(Self.diskName)) != nil else {
            throw CloudletError(.notFound, "\(directory) contains no kept VM")
        }
        let bytes = try File(directory.appending(Self.noteName), .read).read(1 << 20, at: 0)
        do { note = try JSONDecoder().decode(Note.self, from: Data(bytes)) } catch {
            throw CloudletError(.badData, "\(directory.appending(Self.noteName)) is damaged")
        }
        guard note.base == base.record.hash.hex, note.base_memory == base.record.memoryHash.hex else {
            throw CloudletError(.badData, "the VM in \(directory) was made on another base VM")
        }
    }

    private init(_ directory: FilePath, _ note: Note) { (self.directory, self.note) = (directory, note) }

    /// The options of the overlay that was to be made, except its compression.
    package func options() throws(CloudletError) -> OverlayOptions {
        var options = OverlayOptions(name: note.name)
        options.forwards = try note.forwards.map { (text) throws(CloudletError) in try PortForward(parsing: text) }
        options.readyPort = note.ready_port
        options.diskOnly = note.snapshot_bytes == nil
        return options
    }

    /// The images of the VM as they were when it ended.
    func ended() throws(CloudletError) -> EndedVM {
        var memory: EndedVM.Memory?
        if let bytes = note.snapshot_bytes {
            let ram = try File(directory.appending(Self.memoryName), .read)
            let tail = try File(directory.appending(Self.tailName), .read)
            let snapshot = try SnapshotFile(tail, origin: try ram.size())
            memory = .init(ram: ram, tail: tail, snapshotBytes: bytes, guest: snapshot.description.guest)
        }
        return EndedVM(disk: directory.appending(Self.diskName), memory: memory)
    }

    /// Removes the files.
    package func remove() throws(CloudletError) { try FileSystem.remove(directory) }

    /// Keeps a VM in the first directory with enough space. If there is none, waits for space. The VM's disk is moved
    /// into the directory.
    static func keep(
        _ vm: EndedVM, of base: OpenBase, _ options: OverlayOptions, in fallback: FallbackStorage
    ) async throws(CloudletError) -> KeptVM {
        let note = Note(
            base: base.record.hash.hex, base_memory: base.record.memoryHash.hex, name: options.name,
            forwards: options.forwards.map(\.description), ready_port: options.readyPort,
            snapshot_bytes: vm.memory?.snapshotBytes)
        let directory = try await fallback.fill { (directory) async throws(CloudletError) in
            if let memory = vm.memory {
                try await copy(memory.ram, to: directory.appending(memoryName))
                try await copy(memory.tail, to: directory.appending(tailName))
            }
            guard let text = try? JSONEncoder().encode(note) else {
                throw CloudletError(.defect, "the note can't be written")
            }
            try File(directory.appending(noteName), .create(permissions: 0o600)).write(Array(text), at: 0)
            // The disk gets its name last: with it the kept VM is complete.
            let part = directory.appending("disk.part")
            if (try? FileSystem.move(vm.disk, to: part)) == nil { try await copy(try File(vm.disk, .read), to: part) }
            try FileSystem.move(part, to: directory.appending(diskName))
        }
        return KeptVM(directory, note)
    }

    private static func copy(_ source: File, to path: FilePath) async throws(CloudletError) {
        let target = try File(path, .create(permissions: 0o600))
        let size = try source.size()
        try target.resize(to: size)
        try await MemoryCopy.copy(0..<size, from: source, to: target)
        try target.synchronize()
    }
}
