// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import NIOCore
import Synchronization

/// Limits the number of open connections that several listeners have accepted together. At the limit, further
/// connections wait in the system's queue until one is closed. Accepting also pauses when the system has no descriptors
/// or no memory left, because NIO would retry in a busy loop.
package final class AcceptGate: Sendable {
    private struct State {
        var open = 0
        /// What each waiting listener does when there is room again.
        var waiting: [ObjectIdentifier: @Sendable () -> Void] = [:]
    }

    /// The largest number of open connections.
    package let limit: Int
    private let state = Mutex(State())

    /// How long to wait after the system ran out of descriptors or memory: no event reports when there are some again.
    fileprivate static let pause = TimeAmount.milliseconds(250)

    /// Creates a gate for `limit` connections. Each listener may accept a few more at the same moment.
    package init(limit: Int = 608) { self.limit = limit }

    /// The number of open connections.
    package var open: Int { state.withLock(\.open) }

    fileprivate func enter() { state.withLock { $0.open += 1 } }

    fileprivate func leave() {
        let waiting = state.withLock { state in
            state.open -= 1
            guard state.open < limit else { return [ObjectIdentifier: @Sendable () -> Void]() }
            defer { state.waiting = [:] }
            return state.waiting
        }
        for retry in waiting.values { retry() }
    }

    /// Whether there is room. If not, `retry` is called when there is.
    fileprivate func hasRoom(for listener: ObjectIdentifier, orElse retry: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            guard state.open >= limit else { return true }
            state.waiting[listener] = retry
            return false
        }
    }

    fileprivate func forget(_ listener: ObjectIdentifier) {
        state.withLock { _ = $0.waiting.removeValue(forKey: listener) }
    }

    /// Puts the gate in front of a listener.
    package func guardListener(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.submit { [self] in
            try channel.pipeline.syncOperations.addHandler(GateKeeper(self), position: .first)
        }
    }
}

/// The handler that applies the gate to one listener.
private final class GateKeeper: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private let gate: AcceptGate
    private var isWaiting = false
    private var notBefore: NIODeadline?

    init(_ gate: AcceptGate) { self.gate = gate }

    func handlerRemoved(context: ChannelHandlerContext) { gate.forget(ObjectIdentifier(self)) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        gate.enter()
        unwrapInboundIn(data).closeFuture.whenComplete { [gate] _ in gate.leave() }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        guard !isWaiting else { return }
        let loop = context.eventLoop
        let bound = NIOLoopBound((self, context), eventLoop: loop)
        let retry = { @Sendable in
            let (keeper, context) = bound.value
            keeper.isWaiting = false
            keeper.read(context: context)
        }
        if let notBefore, notBefore > .now() {
            isWaiting = true
            loop.scheduleTask(deadline: notBefore, retry)
        } else if gate.hasRoom(for: ObjectIdentifier(self), orElse: { loop.execute(retry) }) {
            notBefore = nil
            context.read()
        } else {
            isWaiting = true
        }
    }

    /// Running out of descriptors or memory must not close the listener, so this error is not passed on.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let number = (error as? IOError)?.errnoCode, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(number) else {
            return context.fireErrorCaught(error)
        }
        notBefore = .now() + AcceptGate.pause
    }
}
