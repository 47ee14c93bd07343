import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletOverlay
import CloudletSynthesis
import SystemPackage

/// What a finished job reports on standard error.
enum Report {
    /// The stages of a job with their start and duration.
    static func times(_ times: StageTimes) {
        var table = TextTable("stage", "start", "time")
        for entry in times.entries {
            table.add(entry.stage.rawValue, entry.start.shown, entry.duration.shown)
        }
        table.add("total", "", times.elapsed.shown)
        Console.note(table.text)
    }

    /// An overlay that was written.
    static func overlay(_ result: WrittenOverlay) {
        Console.result("Overlay meta: \(result.metaPath)")
        Console.result(
            "Blobs: \(result.meta.blobs.count), \(ByteCount(result.meta.totalBlobBytes)) "
                + "for \(result.statistics.items) changed pages")
        for forward in result.meta.forwards { Console.result("Forward: \(forward)") }
        if let support = GuestSupport(result.meta) { guest(support) }
    }

    /// What a guest can't do for itself when it is resumed from the state that was saved.
    static func guest(_ support: GuestSupport) {
        let warnings = support.warnings
        guard !warnings.isEmpty else { return }
        for warning in warnings { Console.note("Note: \(warning).") }
        Console.note("To mend that, \(GuestSupport.advice).")
    }

    /// What was not done for a guest that was resumed.
    static func refresh(_ refresh: GuestRefresh) {
        for warning in refresh.warnings { Console.note("Note: \(warning).") }
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
    /// The name without what no file of an overlay may have in its name, and short enough for the endings of its files.
    var plainFileName: String {
        displayable(limit: .max).replacing("\u{FFFD}", with: "_").cut(toBytes: 200)
    }
}
