// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
package import CloudletCore
import CloudletHypervisor
import CloudletOverlay
package import CloudletStore
import CloudletSystem
package import SystemPackage

/// Makes an overlay from a customised VM: pauses it, saves its state, ends it, and writes the differences of its disk
/// and memory from the base into a directory with one meta file and compressed blobs.
package struct OverlayCreation: Sendable {
    private let base: OpenBase
    private let options: OverlayOptions
    private let records: UnfinishedFiles?

    /// Prepares to make an overlay from a VM on `base`. Unfinished files are recorded in `records`.
    package init(base: OpenBase, options: OverlayOptions, records: UnfinishedFiles? = nil) {
        self.base = base
        self.options = options
        self.records = records
    }

    /// Pauses the VM, makes the overlay and ends the VM. Cancelling the calling task does not stop it, because the work
    /// in the VM exists only once. The first interruption counted by `fallback` stops the writing, and the VM is kept.
    /// The second one discards the VM.
    /// - Parameters:
    ///   - running: the customised VM.
    ///   - directory: the overlay's directory; it is created, and appears only when the overlay is complete.
    ///   - fallback: directories for the VM when the overlay can't be written.
    ///   - times: records the stages.
    ///   - progress: receives how far the comparison and the compression have come.
    /// - Returns: what was written.
    /// - Throws: `CloudletError`. Then no part of the overlay exists. When the VM was kept, the error names the command
    ///   that writes its overlay.
    package func cut(
        _ running: RunningVM, into directory: FilePath, fallback: FallbackStorage, times: StageTimes,
        progress: @escaping @Sendable (WorkProgress) -> Void = { _ in }
    ) async throws(CloudletError) -> WrittenOverlay {
        let ended = try await fallback.saving { () async throws(CloudletError) in
            try await EndedVM.end(running, on: base, options, times)
        }
        do throws(CloudletError) {
            return try await fallback.writing { () async throws(CloudletError) in
                try await write(try await ended.images(on: base), to: directory, times: times, progress: progress)
            }
        } catch {
            fallback.explainKeeping(because: error)
            let kept: KeptVM
            do throws(CloudletError) {
                kept = try await fallback.saving { () async throws(CloudletError) in
                    try await KeptVM.keep(ended, of: base, options, in: fallback)
                }
            } catch let failure {
                throw CloudletError(
                    error.code, "the overlay was not written, and the VM could not be kept (\(failure))", cause: error)
            }
            throw CloudletError(
                error.code, "the overlay was not written; the VM is kept as it was",
                advice: way(from: error, kept) + advice(kept, directory), cause: error)
        }
    }

    /// The advice on what to do before the overlay is written again.
    private func way(from error: CloudletError, _ kept: KeptVM) -> String {
        guard error.code == .interrupted else {
            return (error.firstAdvice ?? "fix this, or name another directory") + "; "
        }
        return "to discard the VM, run: " + Shell.command("rm", "-r", kept.directory.absolute.string)
            + "; if its overlay is wanted, "
    }

    private func advice(_ kept: KeptVM, _ directory: FilePath) -> String {
        // If another program has taken the name meanwhile, the command names a free one.
        let isFree = (try? OverlayDestination.requireFree(directory)) != nil
        let free = isFree ? directory.absolute : directory.absolute.firstFree
        return "then run: "
            + Shell.command(
                "cloudlet", "overlay", base.record.files.disk.absolute.string, "--kept",
                kept.directory.absolute.string, "-o", free.string)
    }

    /// Writes the overlay of a kept VM. The VM stays kept afterwards.
    package func write(
        _ kept: KeptVM, to directory: FilePath, times: StageTimes,
        progress: @escaping @Sendable (WorkProgress) -> Void = { _ in }
    ) async throws(CloudletError) -> WrittenOverlay {
        try await write(try await kept.ended().images(on: base), to: directory, times: times, progress: progress)
    }

    /// Compares the images with the base and writes the overlay.
    package func write(
        _ images: CustomisedImages, to directory: FilePath, times: StageTimes,
        progress: @escaping @Sendable (WorkProgress) -> Void = { _ in }
    ) async throws(CloudletError) -> WrittenOverlay {
        let extents = (images.memory?.extents ?? []) + images.disk.extents
        let total = Double(max(1, extents.reduce(0) { $0 + $1.range.count }))
        let plan = try await times.measure(.compare) { () async throws(CloudletError) -> OverlayPlan in
            try await OverlayPlan.make(
                memory: images.memory, disk: images.disk, base: base.images, index: try base.index(),
                blobBytes: options.blobBytes
            ) { progress(.comparing(Double($0) / total)) }
        }
        return try await times.measure(.compress) { () async throws(CloudletError) in
            try await OverlayDirectoryWriter(
                plan: plan, base: .init(base.record), memoryBytes: images.memory?.size ?? 0, guest: images.guest,
                options: options, records: records
            ).write(to: directory) { progress(.compressing($0)) }
        }
    }
}
