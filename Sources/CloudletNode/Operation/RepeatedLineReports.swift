import AsyncAlgorithms
import ServiceLifecycle

/// Tells in the log, from time to time, how many lines were not written to it.
struct RepeatedLineReports: Service {
    let logs: LogOutput

    func run() async throws {
        let times = AsyncTimerSequence(interval: .seconds(20), clock: .continuous)
        for await _ in times.cancelOnGracefulShutdown() { logs.tellRepeated() }
    }
}
