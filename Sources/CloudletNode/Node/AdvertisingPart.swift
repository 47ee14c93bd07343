// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletAdvertising
import CloudletDiscovery
import CloudletLibUPnP
import CloudletNetwork
import CloudletSystem

/// Announces the node on the network.
struct AdvertisingPart: NodePart {
    let services: [NodeService]

    /// Creates the configured advertisers.
    init(_ context: NodeContext, record: CurrentValue<NodeRecord>, interfaces: CurrentValue<[NetworkInterface]>) {
        let (settings, logger) = (context.settings, context.logger)
        var services: [NodeService] = []
        switch settings.upnpEngine {
        case .libupnp:
            services.append(
                NodeService("libupnp", LibUPnPAdvertiser(record: record, interfaces: interfaces, logger: logger)))
        case .native:
            services.append(
                NodeService(
                    "SSDP",
                    SSDPAdvertiser(
                        record: record, interfaces: interfaces, bootIDs: BootIDs(in: context.home.root),
                        logger: logger)))
        case .off: break
        }
        if settings.usesMDNS {
            services.append(
                NodeService(
                    "mDNS",
                    MDNSAdvertiser(
                        record: record, interfaces: interfaces, withOldName: settings.publishesOldMDNSName,
                        logger: logger)))
        }
        self.services = services
    }
}
