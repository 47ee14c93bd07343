// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery
import CloudletNetwork

/// A node in the catalogue, and the claims about where it can be reached.
struct CatalogueNode: Sendable {
    /// The largest number of endpoints verified for one node because others claim them: as many addresses as one host
    /// may announce by mDNS.
    static let maximumEndpoints = MDNSCandidates.maximumAddresses
    /// Further endpoints that the node itself claims.
    static let maximumOwnEndpoints = 8

    /// A claim that the node can be reached at an endpoint.
    struct CandidateEndpoint: Sendable {
        var endpoint: NodeEndpoint
        let number: Int
        /// Whether the host at the endpoint made the claim itself.
        var isOwn: Bool
        /// The result of the last verification; `nil` until one succeeds, and after two failed in a row.
        var verified: VerificationResult?
        /// Whether a verification is planned or runs.
        var isQueued = false
        /// Failed verifications since the last success.
        var failures = 0
        /// Why the last verification failed.
        var reason: String?
    }

    var origins: Set<DiscoveryOrigin> = []
    var name: String?
    var claims: [CandidateEndpoint] = []
    /// What was last reported of the node.
    var reported: FoundNode?
    /// When the node is verified again.
    var nextCheck: ContinuousClock.Instant?

    /// Whether one of the endpoints is verified.
    var isVerified: Bool { claims.contains { $0.verified != nil } }

    /// Makes room for a further claim, if need be in place of one that failed.
    /// - Parameter isOwn: whether the host at the endpoint claims it itself: claims of other hosts never keep such a
    ///   claim out.
    /// - Returns: whether there is room.
    mutating func makeRoom(forOwn isOwn: Bool) -> Bool {
        let most = Self.maximumEndpoints + (isOwn ? Self.maximumOwnEndpoints : 0)
        if claims.count < most { return true }
        let doubtful = claims.indices.filter { claims[$0].verified == nil }
        let idle = doubtful.filter { !claims[$0].isQueued }.max { claims[$0].failures < claims[$1].failures }
        guard let index = idle ?? (isOwn ? doubtful.first : nil) else { return false }
        claims.remove(at: index)
        return true
    }
}
