// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// An incident of a watched VM.
package enum VMIncident: Sendable, Hashable {
    /// The host has no space for what the VM writes to its disk, or has space again.
    case disk(FullDisk)
    /// The guest of this VM went to sleep (ACPI S3), in which none of its ports answers, and was woken up.
    case woken(vm: String)
    /// The process that relays the ports of this VM ended, and was started again. Connections were cut.
    case portsReopened(vm: String)
    /// The process that relays the ports of this VM ended, and can't be started again now; it is tried again.
    case portsClosed(vm: String, reason: String)

    /// The process that relays the ports of a VM ended, and was started again, or can't be for a reason.
    static func relayEnded(vm: String, failure: String?) -> VMIncident {
        failure.map { .portsClosed(vm: vm, reason: $0) } ?? .portsReopened(vm: vm)
    }

    /// The text of a message.
    package var shown: String {
        switch self {
        case .disk(let disk): disk.shown
        case .woken: "the guest went to sleep, and was woken up: it can't wake by itself"
        case .portsClosed(_, let reason):
            "the process that relays the VM's ports ended, and can't be started again now (\(reason))"
        case .portsReopened:
            "the process that relays the VM's ports ended, which cut their connections; the ports are open again"
        }
    }
}
