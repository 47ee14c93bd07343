import CloudletCore
import CloudletSystem

extension NodeRegistry: NodePart {
    /// The registry in the node's home, opened.
    static func opened(_ context: NodeContext) async throws(CloudletError) -> NodeRegistry {
        let registry = NodeRegistry(context.home.database, logger: context.logger)
        try await registry.open()
        return registry
    }

    var services: [NodeService] { [NodeService("registry", self)] }

    var checks: [Health.Check] {
        [
            Health.Check("registry") { () throws(CloudletError) in
                if let trouble = self.troubles.first { throw CloudletError(.unavailable, trouble) }
            }
        ]
    }
}
