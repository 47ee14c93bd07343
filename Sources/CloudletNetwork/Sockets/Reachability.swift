// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Glibc
import NIOCore

extension Channel {
    /// Makes the system check whether the other side of a TCP connection still exists: a host that left the WiFi sends
    /// nothing. A silent connection is probed after half of `limit`, and closed when nothing was acknowledged within
    /// all of it. Does not wait until the options are set.
    /// - Parameter limit: whole seconds, at least 3.
    package func probePeer(atLatestAfter limit: Duration) {
        let seconds = max(3, Int(limit.seconds))
        for (option, value) in [
            (TCP_KEEPIDLE, seconds / 2), (TCP_KEEPINTVL, max(1, seconds / 6)), (TCP_KEEPCNT, 3),
            (TCP_USER_TIMEOUT, seconds * 1000),
        ] {
            let name = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: option))
            _ = setOption(name, value: value)
        }
    }

    /// Asks the other side, once it has been silent for a second, whether it still knows the connection. A host that
    /// does not know it refuses within a round trip, and the connection ends. Call `probePeer` after
    /// `Reachability.answer` to restore the usual times.
    package func askPeer() {
        let name = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_KEEPIDLE))
        _ = setOption(name, value: 1)
    }
}

/// How long to wait for a peer that may be gone.
package enum Reachability {
    /// The time after `askPeer` within which a connection ends if the other side does not know it: the system probes
    /// after one second of silence at the earliest (tcp(7), TCP_KEEPIDLE), and the answer takes a round trip.
    package static let answer = Duration.seconds(2)
}
