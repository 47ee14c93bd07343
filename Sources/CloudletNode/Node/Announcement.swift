// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import Logging
import ServiceLifecycle

/// Logs that the node is ready. This is a service because signals are handled only while services run: a program that
/// reads the line may stop the node at once.
struct Announcement: Service, NodePart {
    private let metadata: Logger.Metadata
    private let logger: Logger

    init(record: NodeRecord, accelerator: String, bound: [InterfaceListeners.Endpoint: UInt16], logger: Logger) {
        metadata = [
            "name": "\(record.name)", "id": "\(record.id)", "accelerator": "\(accelerator)",
            "listen": "\(bound.map { "\($0.key.host) port \($0.value)" }.sorted().joined(separator: ", "))",
            "bases": "\(record.bases.count)",
        ]
        self.logger = logger
    }

    var services: [NodeService] { [NodeService("announcement", self)] }

    func run() async throws {
        logger.notice("node is ready", metadata: metadata)
        try await gracefulShutdown()
    }
}
