// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletSystem
package import ServiceLifecycle

/// Announces a node by one protocol: follows changes of the record and the network while it runs, and withdraws the
/// announcements when it is shut down.
package protocol Advertiser: Service {
    /// What the advertiser is doing now, for the node's page and `doctor`.
    var state: CurrentValue<AdvertiserState> { get }
}

/// The state of an advertiser.
package enum AdvertiserState: Hashable, Sendable, CustomStringConvertible {
    /// The node is not announced yet.
    case starting
    /// The node is announced on the interfaces that the text names, as in `eth0, wlan0`.
    case announced(String)
    /// The node can't be announced now; the sentence says why. The advertiser keeps trying.
    case waiting(String)
    /// The announcements are withdrawn.
    case stopped

    /// The state in words.
    package var description: String {
        switch self {
        case .starting: "starting"
        case .announced(let places): "announced on \(places)"
        case .waiting(let reason): "waiting: \(reason)"
        case .stopped: "stopped"
        }
    }
}
