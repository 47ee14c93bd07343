// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletSynthesis
import SystemPackage

/// Reports about a finished job, on standard error.
enum Report {
    /// Prints the stages of a job with their start and duration.
    static func times(_ times: StageTimes) {
        var table = TextTable("stage", "start", "time")
        for entry in times.entries {
            table.add(entry.stage.rawValue, entry.start.shown, entry.duration.shown)
        }
        table.add("total", "", times.elapsed.shown)
        Console.note(table.text)
    }

    /// Prints the result of writing an overlay.
    static func overlay(_ result: WrittenOverlay) {
        Console.result("Overlay meta: \(result.metaPath)")
        Console.result(
            "Blobs: \(result.meta.blobs.count), \(ByteCount(result.meta.totalBlobBytes)) "
                + "for \(result.statistics.items) changed pages")
        for forward in result.meta.forwards { Console.result("Forward: \(forward)") }
        if let support = GuestSupport(result.meta) { guest(support) }
    }

    /// Prints what a guest can't do for itself when it is resumed from the saved state.
    static func guest(_ support: GuestSupport) {
        let warnings = support.warnings
        guard !warnings.isEmpty else { return }
        for warning in warnings { Console.note("Note: \(warning).") }
        Console.note("To fix this, \(GuestSupport.advice).")
    }

    /// Prints why a VM was booted instead of being resumed.
    static func boot(_ boot: BootReport) {
        for line in boot.lines { Console.note("Note: \(line).") }
    }

    /// Waits until a resumed guest is refreshed, and prints what could not be done for it.
    static func refresh(_ refresh: GuestRefreshTask) async {
        for warning in await refresh.result(within: nil)?.warnings ?? [] { Console.note("Note: \(warning).") }
    }
}

extension FilePath {
    /// The first part of an overlay's file names in this directory: the directory's name up to its first dot.
    var overlayName: String {
        let name = lexicallyNormalized().lastComponent?.string ?? "overlay"
        return name.split(separator: ".").first.map { String($0).plainFileName } ?? "overlay"
    }
}

extension String {
    /// The name as a part of file names of an overlay: control characters replaced, and short enough to append endings.
    var plainFileName: String {
        displayable(limit: .max).replacing("\u{FFFD}", with: "_").cut(toBytes: 200)
    }
}
