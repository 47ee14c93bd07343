package import Hummingbird
package import NIOCore

/// What a route of the node knows of a request beside the request itself: both ends of its connection.
package struct NodeRequestContext: RemoteAddressRequestContext {
    /// What Hummingbird keeps.
    package var coreContext: CoreRequestContextStorage
    /// The client's address.
    package let remoteAddress: SocketAddress?
    /// The node's address that the client connected to.
    package let localAddress: SocketAddress?

    /// Takes the addresses off the connection.
    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        remoteAddress = source.channel.remoteAddress
        localAddress = source.channel.localAddress
    }
}
