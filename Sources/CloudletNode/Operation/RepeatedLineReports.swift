import AsyncAlgorithms
import ServiceLifecycle

/// Regularly logs how many repeated lines were not written.
struct RepeatedLineReports: Service {
    let logs: LogOutput

    func run() async throws {
        let times = AsyncTimerSequence(interval: .seconds(20), clock: .continuous)
        for await _ in times.cancelOnGracefulShutdown() { logs.reportRepeated() }
    }
}
