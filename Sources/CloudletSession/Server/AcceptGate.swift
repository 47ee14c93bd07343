import Glibc
package import NIOCore
import Synchronization

/// Bounds the connections that listeners together have accepted and that are not closed yet, whatever becomes of them:
/// beyond, further ones wait in the system's queue. Accepting is put off too while the system has no descriptors or no
/// memory; NIO would ask it again and again.
package final class AcceptGate: Sendable {
    /// Connections that may be open.
    package let limit: Int
    private let count = Atomic(0)

    /// How long to wait before it is looked for room again.
    fileprivate static let pause = TimeAmount.milliseconds(20)
    /// How long to wait after the system had none.
    fileprivate static let longPause = TimeAmount.milliseconds(250)

    /// A gate for `limit` connections. Each listener may let in a few more at once.
    package init(limit: Int = 608) { self.limit = limit }

    /// Connections that are open.
    package var open: Int { count.load(ordering: .relaxed) }

    fileprivate var hasRoom: Bool { open < limit }
    fileprivate func enter() { count.add(1, ordering: .relaxed) }
    fileprivate func leave() { count.subtract(1, ordering: .relaxed) }

    /// Puts the gate in front of a listener.
    package func guardListener(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.submit { [self] in
            try channel.pipeline.syncOperations.addHandler(GateKeeper(self), position: .first)
        }
    }
}

/// The gate at one listener.
private final class GateKeeper: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private let gate: AcceptGate
    private var isWaiting = false
    private var notBefore: NIODeadline?

    init(_ gate: AcceptGate) { self.gate = gate }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        gate.enter()
        unwrapInboundIn(data).closeFuture.whenComplete { [gate] _ in gate.leave() }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        guard !isWaiting else { return }
        let now = NIODeadline.now()
        if gate.hasRoom, notBefore.map({ $0 <= now }) ?? true {
            notBefore = nil
            context.read()
            return
        }
        isWaiting = true
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(deadline: notBefore ?? now + AcceptGate.pause) {
            let (keeper, context) = bound.value
            keeper.isWaiting = false
            keeper.read(context: context)
        }
    }

    /// Want of descriptors or memory is no end of the listener, nor of those behind it in the pipeline.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let number = (error as? IOError)?.errnoCode, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(number) else {
            return context.fireErrorCaught(error)
        }
        notBefore = .now() + AcceptGate.longPause
    }
}
