import CloudletCore
import CloudletSynthesis

/// What a finished job tells about itself on standard error.
enum Report {
    /// The stages of a job with their start and duration.
    static func times(_ times: StageTimes) {
        var table = TextTable("stage", "start", "time")
        for stage in times.stages { table.add(stage.name, stage.start.shown, stage.duration.shown) }
        table.add("total", "", times.elapsed.shown)
        Console.note(table.text)
    }
}
