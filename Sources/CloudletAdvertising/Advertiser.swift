package import CloudletSystem
package import ServiceLifecycle

/// Makes a node known by one protocol: follows the record and the network while it runs, and takes everything back
/// when it is shut down.
package protocol Advertiser: Service {
    /// What the advertiser is doing now, for the node's page and `doctor`.
    var state: CurrentValue<AdvertiserState> { get }
}

/// How far an advertiser has got.
package enum AdvertiserState: Hashable, Sendable, CustomStringConvertible {
    /// Not yet known to anybody.
    case starting
    /// The node is announced; the text says where, as in `eth0, wlan0`.
    case announced(String)
    /// It can't be announced now; the sentence says why. The advertiser goes on trying.
    case waiting(String)
    /// Withdrawn.
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
