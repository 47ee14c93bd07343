// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Logging
import ServiceLifecycle

/// A part of the node: its services, and the checks of whether it works.
protocol NodePart: Sendable {
    /// The services, in the order of their start; they stop in reverse order.
    var services: [NodeService] { get }
    /// The checks that must succeed for the node to be ready.
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

/// What all parts of the node share.
struct NodeContext: Sendable {
    /// The current configuration.
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

    /// The initial configuration, for settings that don't change while the node runs.
    var settings: NodeConfiguration { configuration.value }
}
