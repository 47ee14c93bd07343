public import Hummingbird
public import NIOCore

/// What a route of the node knows of a request beside the request itself: both ends of its connection.
public struct NodeRequestContext: RemoteAddressRequestContext {
    /// What Hummingbird keeps.
    public var coreContext: CoreRequestContextStorage
    /// The client's address.
    public let remoteAddress: SocketAddress?
    /// The node's address that the client connected to.
    public let localAddress: SocketAddress?

    /// Takes the addresses off the connection.
    public init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        remoteAddress = source.channel.remoteAddress
        localAddress = source.channel.localAddress
    }
}
