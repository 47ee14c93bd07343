// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem

/// The registry of base VMs and sessions.
struct RegistryPart: NodePart {
    let registry: NodeRegistry

    /// Opens the registry in the node's home.
    init(_ context: NodeContext) async throws(CloudletError) {
        registry = NodeRegistry(context.home.database, logger: context.logger)
        try await registry.open()
    }

    let services: [NodeService] = []

    var checks: [Health.Check] {
        [
            Health.Check("registry") { [registry] () async throws(CloudletError) in
                await registry.retry()
                if let trouble = registry.troubles.first { throw CloudletError(.unavailable, trouble) }
            }
        ]
    }
}
