// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import CloudletNetwork
import CloudletSystem
import Logging
import ServiceLifecycle

/// Listens on the addresses of the network as they appear and disappear. Opens a listener on each wanted endpoint,
/// closes it when the endpoint is no longer wanted, and retries if it can't be opened or fails.
struct InterfaceListeners: Sendable {
    /// An endpoint to listen on: a host, which includes the interface of a link-local IPv6 address (`fe80::1%eth0`),
    /// and a port.
    struct Endpoint: Hashable, Sendable {
        let host: String
        let port: UInt16
    }

    /// Creates the listener of an endpoint: a service that binds it, calls `isBound` and serves until it is shut down.
    typealias MakeListener = @Sendable (_ endpoint: Endpoint, _ isBound: @escaping @Sendable () -> Void) -> any Service

    /// The endpoints with an open listener.
    let bound: CurrentValue<Set<Endpoint>>
    private let purpose: String
    private let logger: Logger
    private let onFailure: @Sendable (Endpoint, any Error, _ count: Int) -> Void
    private let makeListener: MakeListener

    /// The pause before the next try: at first, and after several failures.
    private static let pauses = (short: Duration.milliseconds(500), long: Duration.seconds(5))
    private static let quickTries = 6

    /// Creates listeners of one kind.
    /// - Parameters:
    ///   - purpose: the purpose of the listeners, for the log.
    ///   - bound: the endpoints that are bound already.
    ///   - logger: receives failures.
    ///   - onFailure: called for each failure, with the number of successive failures.
    ///   - makeListener: creates the listener of an endpoint.
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

    /// Listens on the endpoints in the latest set from `wanted`, until the service is shut down or the task is
    /// cancelled. All listeners are closed when it returns.
    func run<Wanted: AsyncSequence & Sendable>(
        _ wanted: Wanted
    ) async where Wanted.Element == Set<Endpoint>, Wanted.Failure == Never {
        await withDiscardingTaskGroup { group in
            var removals: [Endpoint: AsyncEvent] = [:]
            // An endpoint that is bound already may not be wanted any more; its listener must then be closed.
            for endpoint in bound.value { removals[endpoint] = keepListener(on: endpoint, in: &group) }
            for await endpoints in wanted.cancelOnGracefulShutdown() {
                for (endpoint, removal) in removals where !endpoints.contains(endpoint) {
                    removal.set()
                    removals[endpoint] = nil
                    bound.update { $0.remove(endpoint) }
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

    /// Keeps one listener open until its endpoint is removed or the service is shut down. The listener is created at
    /// least once, because that is the way to close a socket that is bound already.
    private func keepListener(on endpoint: Endpoint, until removal: AsyncEvent) async {
        var failures = 0
        repeat {
            do {
                try await listen(on: endpoint, until: removal)
                note(endpoint, isOpen: false, unless: removal)
            } catch {
                let wasBound = note(endpoint, isOpen: false, unless: removal)
                failures = wasBound ? 1 : failures + 1
                report(error, endpoint, failures)
                let pause = failures < Self.quickTries ? Self.pauses.short : Self.pauses.long
                await cancelWhenGracefulShutdown { await removal.wait(until: .now + pause) }
            }
        } while !removal.isSet && !Task.isCancelled && !Task.isShuttingDownGracefully
    }

    /// Runs a listener in a service group of its own, so that it can be shut down alone and gracefully.
    private func listen(on endpoint: Endpoint, until removal: AsyncEvent) async throws {
        var quiet = logger
        quiet.logLevel = .warning
        let listener = makeListener(endpoint) { note(endpoint, isOpen: true, unless: removal) }
        let service = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: listener, serviceName: "\(purpose) listener")], logger: quiet))
        // This task is cancelled when the listener has ended.
        async let _: Void = {
            await removal.wait()
            await service.triggerGracefulShutdown()
        }()
        try await service.run()
    }

    /// Notes whether a listener is open, unless its endpoint was removed: the address may have returned since, and then
    /// `bound` shows the next listener.
    /// - Returns: whether this is a change.
    @discardableResult
    private func note(_ endpoint: Endpoint, isOpen: Bool, unless removal: AsyncEvent) -> Bool {
        bound.update { bound in
            guard !removal.isSet else { return }
            if isOpen { bound.insert(endpoint) } else { bound.remove(endpoint) }
        }
    }

    private func report(_ error: any Error, _ endpoint: Endpoint, _ failures: Int) {
        // A listener that was closed a moment ago may not have released the port yet, so the first failure is not
        // logged.
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
