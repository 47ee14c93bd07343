import CloudletSystem
import Logging
import ServiceLifecycle

/// A part of the node: the services that run for it, and how to try whether it works.
protocol NodePart: Sendable {
    /// What runs, in the order of its start; ended in reverse.
    var services: [NodeService] { get }
    /// What has to work for the node to be ready.
    var checks: [Health.Check] { get }
}

extension NodePart {
    var checks: [Health.Check] { [] }
}

/// A service and its name in the log.
typealias NodeService = ServiceGroupConfiguration.ServiceConfiguration

extension NodeService {
    init(_ name: String, _ service: any Service) { self.init(service: service, serviceName: name) }
}

/// What all parts share.
struct NodeContext: Sendable {
    /// The configuration in force.
    let configuration: CurrentValue<NodeConfiguration>
    let home: CloudletHome
    let logs: LogOutput
    let logger: Logger
    let metrics = NodeMetrics()
    let connections = ConnectionBudget(descriptors: DescriptorLimit.current)

    init(configuration: NodeConfiguration, home: CloudletHome, logs: LogOutput) {
        self.configuration = CurrentValue(configuration)
        self.home = home
        self.logs = logs
        logger = logs.logger()
    }

    /// The configuration to start with, for what does not change while the node runs.
    var settings: NodeConfiguration { configuration.value }
}
