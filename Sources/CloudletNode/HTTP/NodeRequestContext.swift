// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import Hummingbird
package import NIOCore

/// The context of a request, which has both endpoints of its connection.
package struct NodeRequestContext: RemoteAddressRequestContext {
    /// Hummingbird's own part of the context.
    package var coreContext: CoreRequestContextStorage
    /// The client's address.
    package let remoteAddress: SocketAddress?
    /// The node's address that the client connected to.
    package let localAddress: SocketAddress?

    /// Takes the addresses from the connection.
    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        remoteAddress = source.channel.remoteAddress
        localAddress = source.channel.localAddress
    }
}
