// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// Counts the bytes that have arrived on a connection, including those that have not been read from it yet.
final class ArrivedBytes: Sendable {
    private let total = Atomic(0)

    /// The number of bytes that have arrived.
    var count: Int { total.load(ordering: .relaxed) }

    /// Starts counting. Called on the channel's event loop before any bytes arrive.
    func count(on channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(Counter(self))
    }

    private final class Counter: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias InboundOut = ByteBuffer

        private let bytes: ArrivedBytes

        init(_ bytes: ArrivedBytes) { self.bytes = bytes }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            bytes.total.add(unwrapInboundIn(data).readableBytes, ordering: .relaxed)
            context.fireChannelRead(data)
        }
    }
}
