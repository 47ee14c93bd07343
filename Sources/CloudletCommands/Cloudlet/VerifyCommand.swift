// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletOverlay
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import SystemPackage

/// `cloudlet verify META --base DISK`: checks whether a VM can be rebuilt from an overlay.
struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every item of an overlay against its base VM.",
        discussion:
            "Rebuilds the images as a synthesis does, but runs no VM. The base VM and the overlay are only read.")

    @Argument(help: "The overlay: its directory, its overlay-meta file, or a package.", completion: .file())
    var meta: String

    @Option(help: "The base VM's disk; it need not be registered.", completion: .file())
    var base: String

    func run() async throws {
        let overlay = try OverlaySource(at: FilePath(meta))
        let disk = try CloudletHome.resolve(FilePath(base))
        let home = try CloudletHome.current()
        let known = try FileStatus.of(home.database) == nil ? nil : Registry(home.database).base(disk: disk)
        let verification = try await OverlayVerification(disk: disk, known: known) { ProgressLine.show($0) }
        let verdict = try await verification.verify(overlay) { ProgressLine.show($0) }
        ProgressLine.clear()
        Console.result(
            "Overlay is valid: \(verdict.statistics.items) items in \(overlay.meta.blobs.count) blobs match base VM "
                + overlay.meta.baseHash.hex)
    }
}
