import CloudletSystem
import ServiceLifecycle

/// Hands each configuration that follows the one at the start to a part that can't ask for it when it needs it.
struct ConfigurationFollower: Service {
    private let configuration: CurrentValue<NodeConfiguration>
    private let first: NodeConfiguration
    private let apply: @Sendable (NodeConfiguration) -> Void

    init(_ configuration: CurrentValue<NodeConfiguration>, apply: @escaping @Sendable (NodeConfiguration) -> Void) {
        self.configuration = configuration
        first = configuration.value
        self.apply = apply
    }

    func run() async throws {
        var last = first
        for await configuration in configuration.values().cancelOnGracefulShutdown() where configuration != last {
            apply(configuration)
            last = configuration
        }
    }
}
