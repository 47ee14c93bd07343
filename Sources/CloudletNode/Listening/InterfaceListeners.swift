import AsyncAlgorithms
import CloudletNetwork
import CloudletSystem
import Logging
import ServiceLifecycle

/// Listens on the addresses of the network as they come and go: opens a listener on each endpoint that is wanted, closes it
/// when its endpoint is not wanted any more, and tries again where one can't be opened or fails.
struct InterfaceListeners: Sendable {
    /// A host, an IPv6 address of a link with its interface (`fe80::1%eth0`), and a port to listen on.
    struct Endpoint: Hashable, Sendable {
        let host: String
        let port: UInt16
    }

    /// Makes the listener of an endpoint: a service that binds it, calls `isBound` and serves until it is shut down.
    typealias MakeListener = @Sendable (_ endpoint: Endpoint, _ isBound: @escaping @Sendable () -> Void) -> any Service

    /// The endpoints that are listened on now.
    let bound: CurrentValue<Set<Endpoint>>
    private let purpose: String
    private let logger: Logger
    private let onFailure: @Sendable (Endpoint, any Error, _ count: Int) -> Void
    private let makeListener: MakeListener

    /// The pause before another try, and the one after several failures.
    private static let pauses = (short: Duration.milliseconds(500), long: Duration.seconds(5))
    private static let quickTries = 6

    /// Listeners of one kind.
    /// - Parameters:
    ///   - purpose: what they serve, for the log.
    ///   - bound: the endpoints that are bound already.
    ///   - logger: receives failures.
    ///   - onFailure: learns each failure, and how many there were in a row.
    ///   - makeListener: makes the listener of an endpoint.
    init(
        _ purpose: String, bound: Set<Endpoint> = [], logger: Logger,
        onFailure: @escaping @Sendable (Endpoint, any Error, _ count: Int) -> Void = { _, _, _ in },
        makeListener: @escaping MakeListener
    ) {
        self.purpose = purpose
        self.bound = CurrentValue(bound)
        self.logger = logger
        self.onFailure = onFailure
        self.makeListener = makeListener
    }

    /// Listens on the endpoints that `wanted` names last, until the service is shut down or the task is cancelled. All
    /// listeners are closed then.
    func run<Wanted: AsyncSequence & Sendable>(
        _ wanted: Wanted
    ) async where Wanted.Element == Set<Endpoint>, Wanted.Failure == Never {
        await withDiscardingTaskGroup { group in
            var removals: [Endpoint: AsyncEvent] = [:]
            // What is bound already may not be wanted any more; then it has to be closed.
            for endpoint in bound.value { removals[endpoint] = keepListener(on: endpoint, in: &group) }
            for await endpoints in wanted.cancelOnGracefulShutdown() {
                for (endpoint, removal) in removals where !endpoints.contains(endpoint) {
                    removal.set()
                    removals[endpoint] = nil
                }
                for endpoint in endpoints where removals[endpoint] == nil {
                    removals[endpoint] = keepListener(on: endpoint, in: &group)
                }
            }
        }
    }

    /// Keeps a listener open in a task of `group`.
    /// - Returns: the event that removes its endpoint.
    private func keepListener(on endpoint: Endpoint, in group: inout DiscardingTaskGroup) -> AsyncEvent {
        let removal = AsyncEvent()
        group.addTask { await keepListener(on: endpoint, until: removal) }
        return removal
    }

    /// Keeps one listener open until its endpoint is removed or the service is shut down. Opens it at least once: what is
    /// bound already is closed by that.
    private func keepListener(on endpoint: Endpoint, until removal: AsyncEvent) async {
        var failures = 0
        repeat {
            do {
                try await listen(on: endpoint, until: removal)
                bound.update { $0.remove(endpoint) }
            } catch {
                let wasBound = bound.update { $0.remove(endpoint) }
                failures = wasBound ? 1 : failures + 1
                report(error, endpoint, failures)
                let pause = failures < Self.quickTries ? Self.pauses.short : Self.pauses.long
                await cancelWhenGracefulShutdown {
                    _ = try? await withDeadline(pause) { await removal.wait() }
                }
            }
        } while !removal.isSet && !Task.isCancelled && !Task.isShuttingDownGracefully
    }

    /// A listener in a service group of its own, so that it can be closed alone and in good order.
    private func listen(on endpoint: Endpoint, until removal: AsyncEvent) async throws {
        var quiet = logger
        quiet.logLevel = .warning
        let listener = makeListener(endpoint) { [bound] in bound.update { $0.insert(endpoint) } }
        let service = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: listener, serviceName: "\(purpose) listener")], logger: quiet))
        // Cancelled when the listener has ended.
        async let _: Void = {
            await removal.wait()
            await service.triggerGracefulShutdown()
        }()
        try await service.run()
    }

    private func report(_ error: any Error, _ endpoint: Endpoint, _ failures: Int) {
        // A listener that was closed a moment ago may still have the port: the second failure counts.
        if failures == 2 {
            logger.warning(
                "can't listen on an address, will try again",
                metadata: [
                    "for": "\(purpose)", "address": "\(endpoint.host)", "port": "\(endpoint.port)",
                    "reason": "\(error)",
                ])
        }
        onFailure(endpoint, error, failures)
    }
}
