import CloudletCore

/// The connection broke without a reason from the node.
struct LostConnection: Error {
    /// What to report when there is no reconnection.
    let reason: CloudletError
}
