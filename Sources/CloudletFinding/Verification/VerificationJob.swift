// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery
import CloudletNetwork

/// What identifies a node: its id, or its address when it has no id.
enum NodeKey: Hashable, Sendable {
    case id(NodeID)
    case address(IPAddress)
}

/// A verification to make.
struct VerificationJob: Hashable, Sendable {
    let key: NodeKey
    let endpoint: NodeEndpoint
    /// Identifies the claim within its node, whatever else becomes known of the claim meanwhile.
    var number = 0
}
