import Logging
import ServiceLifecycle

/// Says in the log that the node is there. A service, because signals are handled only once services run: who reads the
/// line may end the node at once, in good order.
struct Announcement: Service {
    let metadata: Logger.Metadata
    let logger: Logger

    func run() async throws {
        logger.notice("node is ready", metadata: metadata)
        try await gracefulShutdown()
    }
}
