import CloudletCompression
package import CloudletCore
import CloudletHypervisor
import CloudletOverlay
package import CloudletStore
import CloudletSystem
package import SystemPackage

/// Cuts an overlay from a customised VM: pauses it, takes its state, ends it, and writes what its disk and memory
/// differ in from the base into a directory of one meta file and compressed blobs.
package struct OverlayCreation: Sendable {
    private let base: OpenBase
    private let options: OverlayOptions
    private let records: UnfinishedFiles?

    /// Prepares to cut an overlay from a VM on `base`; its files are noted in `records` while they are written.
    package init(base: OpenBase, options: OverlayOptions, records: UnfinishedFiles? = nil) {
        self.base = base
        self.options = options
        self.records = records
    }

    /// Pauses the VM, cuts the overlay and ends the VM. It goes on when the calling task is cancelled: the work in the VM exists
    /// only once. The first interruption that `places` knows of breaks the writing off, and the VM is kept;
    /// the second gives the VM up.
    /// - Parameters:
    ///   - running: the customised VM.
    ///   - directory: where the overlay goes; made anew, and there only when it is complete.
    ///   - places: where the VM is kept when the overlay can't be written.
    ///   - times: notes the stages.
    ///   - progress: receives what is done, as a part of 1, of the stage named.
    /// - Returns: what was written.
    /// - Throws: `CloudletError`; no part of the overlay is left then. When the VM was kept, it says with which command
    ///   its overlay is written.
    package func cut(
        _ running: RunningVM, into directory: FilePath, keepingIn places: KeepingPlaces, times: StageTimes,
        progress: @escaping @Sendable (_ stage: String, _ part: Double) -> Void = { _, _ in }
    ) async throws(CloudletError) -> WrittenOverlay {
        let ended = try await places.saving { () async throws(CloudletError) in
            try await EndedVM.end(running, on: base, options, times)
        }
        do throws(CloudletError) {
            return try await places.writing { () async throws(CloudletError) in
                try await write(try await ended.images(on: base), to: directory, times: times, progress: progress)
            }
        } catch {
            places.explainKeeping(because: error)
            let kept: KeptVM
            do throws(CloudletError) {
                kept = try await places.saving { () async throws(CloudletError) in
                    try await KeptVM.keep(ended, of: base, options, in: places)
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

    /// What is to be done before the overlay is written.
    private func way(from error: CloudletError, _ kept: KeptVM) -> String {
        guard error.code == .interrupted else {
            return (error.firstAdvice ?? "mend this, or name another directory") + "; "
        }
        return "to give the VM up, run: " + Shell.command("rm", "-r", kept.directory.absolute.string)
            + "; if its overlay is wanted, "
    }

    private func advice(_ kept: KeptVM, _ directory: FilePath) -> String {
        // Where somebody else took the name meanwhile, the command names one that is free.
        let isFree = (try? OverlayPlace.requireFree(directory)) != nil
        let place = isFree ? directory.absolute : directory.absolute.firstFree
        return "then run: "
            + Shell.command(
                "cloudlet", "overlay", base.record.files.disk.absolute.string, "--kept",
                kept.directory.absolute.string, "-o", place.string)
    }

    /// Writes the overlay of a VM that was kept; the VM is still kept afterwards.
    package func write(
        _ kept: KeptVM, to directory: FilePath, times: StageTimes,
        progress: @escaping @Sendable (_ stage: String, _ part: Double) -> Void = { _, _ in }
    ) async throws(CloudletError) -> WrittenOverlay {
        try await write(try await kept.ended().images(on: base), to: directory, times: times, progress: progress)
    }

    /// Compares the images with the base and writes the overlay.
    package func write(
        _ images: CustomisedImages, to directory: FilePath, times: StageTimes,
        progress: @escaping @Sendable (_ stage: String, _ part: Double) -> Void
    ) async throws(CloudletError) -> WrittenOverlay {
        let extents = (images.memory?.extents ?? []) + images.disk.extents
        let total = Double(max(1, extents.reduce(0) { $0 + $1.range.count }))
        let plan = try await times.measure(.compare) { () async throws(CloudletError) -> OverlayPlan in
            try await OverlayPlan.make(
                memory: images.memory, disk: images.disk, base: base.images, index: try base.index(),
                blobBytes: options.blobBytes
            ) { progress("compare", Double($0) / total) }
        }
        return try await times.measure(.compress) { () async throws(CloudletError) in
            try await OverlayDirectoryWriter(
                plan: plan, base: .init(base.record), memoryBytes: images.memory?.size ?? 0, guest: images.guest,
                options: options, records: records
            ).write(to: directory) { progress("compress", $0) }
        }
    }
}
