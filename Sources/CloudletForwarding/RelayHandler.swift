// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore

/// One of the two connections that a relay joins. It passes on what it receives to its partner. Both belong to the same
/// event loop, and neither reads by itself: a connection reads again when its partner has written all that was read before,
/// so that little is held in memory, in however small pieces it comes.
final class RelayHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var context: ChannelHandlerContext?
    private var partner: RelayHandler?
    /// Whether both connections are active.
    private var isActive = false
    private var hasReceivedAll = false
    /// Whether the output has ended after its last byte.
    private var hasSentAll = false
    private var isBroken = false

    /// Joins a connection that is about to become active with one that is active. Must be called on their event loop.
    static func join(_ outer: any Channel, _ inner: any Channel) throws {
        let (first, second) = (RelayHandler(), RelayHandler())
        (first.partner, second.partner) = (second, first)
        try outer.pipeline.syncOperations.addHandler(first)
        try inner.pipeline.syncOperations.addHandler(second)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        // The outer connection was closed before it became active, so no other event reports its end.
        if !isActive { partner?.reset() }
        partner = nil
    }

    /// The outer connection is active, so both can be used.
    func channelActive(context: ChannelHandlerContext) {
        isActive = true
        partner?.isActive = true
        context.read()
        partner?.context?.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        partner?.context?.write(data, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        partner?.whenWritten { bound.value.context?.read() }
    }

    /// Calls `body` when all that was passed on to this connection is written.
    private func whenWritten(_ body: @escaping @Sendable () -> Void) {
        guard let context else { return }
        context.writeAndFlush(NIOAny(context.channel.allocator.buffer(capacity: 0))).whenSuccess(body)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else { return context.fireUserInboundEventTriggered(event) }
        hasReceivedAll = true
        partner?.endOutput()
    }

    /// Ends the output after what was written. A connection whose input has ended is closed by that, and NIO closes it
    /// without sending what waits; so this waits for the last byte first.
    private func endOutput() {
        guard let context else { return }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        whenWritten {
            let handler = bound.value
            handler.hasSentAll = true
            handler.context?.close(mode: handler.hasReceivedAll ? .all : .output, promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        isBroken = true
        context.close(promise: nil)
    }

    /// After the end of its output, a connection whose input ends becomes inactive without another event. All others
    /// that end early were reset.
    func channelInactive(context: ChannelHandlerContext) {
        if isBroken || !hasSentAll {
            partner?.reset()
        } else if !hasReceivedAll {
            hasReceivedAll = true
            partner?.endOutput()
        }
        context.fireChannelInactive()
    }

    /// Resets the connection.
    private func reset() {
        guard let context else { return }
        isBroken = true
        context.channel.reset()
    }
}

extension Channel {
    /// Closes the connection so that the other side sees a reset (socket(7), SO_LINGER).
    func reset() {
        guard let provider = self as? any SocketOptionProvider else { return close(promise: nil) }
        provider.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in self.close(promise: nil) }
    }
}
