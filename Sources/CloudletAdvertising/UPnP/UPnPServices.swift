// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
package import CloudletDiscovery

/// The two services of the device: the answers of their actions and the variables they send events about. The names are
/// those of the service descriptions in Descriptors/upnp.
package enum UPnPService: String, Hashable, Sendable, CaseIterable {
    /// The original's service of 2013: a switch without function, kept because the original's clients expect it.
    case original
    /// The current service: the state of the node.
    case synthesis

    /// The service type.
    package func type(of device: UPnPDevice) -> String {
        switch self {
        case .original: device.originalServiceType
        case .synthesis: UPnPDevice.synthesisServiceType
        }
    }

    /// The values that events report, in the order of the description.
    package func eventedVariables(_ record: NodeRecord) -> [(name: String, value: String)] {
        switch self {
        case .original: [("Status", record.sessions > 0 ? "1" : "0")]
        case .synthesis: [("SessionCount", String(record.sessions)), ("BaseCount", String(record.bases.count))]
        }
    }

    /// Performs the action of `request`. `sessions` are the running sessions, one line of text each.
    /// - Returns: the out arguments.
    package func perform(
        _ request: SOAPRequest, on record: NodeRecord, sessions: [String]
    ) throws(UPnPFault) -> [(name: String, value: String)] {
        guard request.serviceType == type(of: UPnPDevice(record)) else { throw .invalidAction }
        switch (self, request.action) {
        case (.original, "GetTarget"):
            try requireNone(request)
            return [("RetTargetValue", "0")]
        case (.original, "SetTarget"):
            guard request.arguments.count == 1, request.arguments["NewTargetValue"] != nil else {
                throw .invalidArguments
            }
            return []
        case (.original, "GetStatus"):
            try requireNone(request)
            return [("ResultStatus", record.sessions > 0 ? "1" : "0")]
        case (.synthesis, "GetStatus"):
            try requireNone(request)
            return [
                ("NodeID", record.id.description), ("SynthesisPort", String(record.synthesisPort)),
                ("ApiVersion", String(record.apiVersion)), ("LoadPercent", String(record.loadPercent)),
                ("FreeMemoryMB", String(record.freeMemory.bytes >> 20)), ("SessionCount", String(record.sessions)),
                ("Features", record.features.joined(separator: ",")),
            ]
        case (.synthesis, "ListBases"):
            try requireNone(request)
            return [("Bases", record.bases.map { "\($0.hash.hex) \($0.name)" }.joined(separator: "\n"))]
        case (.synthesis, "ListSessions"):
            try requireNone(request)
            return [("Sessions", sessions.joined(separator: "\n"))]
        default: throw .invalidAction
        }
    }

    private func requireNone(_ request: SOAPRequest) throws(UPnPFault) {
        guard request.arguments.isEmpty else { throw .invalidArguments }
    }
}
