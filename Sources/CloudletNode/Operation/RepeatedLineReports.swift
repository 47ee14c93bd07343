import ServiceLifecycle

/// Tells in the log, from time to time, how many lines were not written to it.
struct RepeatedLineReports: Service {
    let logs: LogOutput

    func run() async throws {
        for await _ in Ticks(every: .seconds(20)).cancelOnGracefulShutdown() { logs.tellRepeated() }
    }
}
