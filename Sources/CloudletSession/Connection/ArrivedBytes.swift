import NIOCore
import Synchronization

/// Counts the bytes that have come by a connection, those included that wait to be taken.
final class ArrivedBytes: Sendable {
    private let total = Atomic(0)

    /// How many have come so far.
    var count: Int { total.load(ordering: .relaxed) }

    /// Begins to count; called on the channel's event loop before anything comes.
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
