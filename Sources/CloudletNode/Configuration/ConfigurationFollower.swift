// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import ServiceLifecycle

/// Passes every configuration after the initial one to a part of the node that can't read the current one when needed.
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
