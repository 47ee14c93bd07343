// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLibvirt

/// An event of a domain that libvirt reports.
enum DomainEvent: Sendable, Hashable {
    /// The domain was started, paused, stopped or similar.
    case lifecycle(LifecycleEvent)
    /// QEMU's migration code, which saves and loads device state, has finished or failed.
    case migrationEnded

    /// Whether the emulator ended, for any reason.
    var isEnd: Bool {
        if case .lifecycle(let event) = self { event.isEnd } else { false }
    }
}

/// A change of a domain's lifecycle.
struct LifecycleEvent: Sendable, Hashable {
    /// libvirt's event and detail numbers.
    let event: Int32
    let detail: Int32

    /// Whether the emulator ended, for any reason.
    var isEnd: Bool { event == Int32(VIR_DOMAIN_EVENT_STOPPED.rawValue) }

    /// Whether the VM was paused because its disk could not be written.
    var isDiskError: Bool {
        event == Int32(VIR_DOMAIN_EVENT_SUSPENDED.rawValue)
            && detail == Int32(VIR_DOMAIN_EVENT_SUSPENDED_IOERROR.rawValue)
    }

    /// Whether the guest went to sleep (ACPI S3).
    var isSleep: Bool { event == Int32(VIR_DOMAIN_EVENT_PMSUSPENDED.rawValue) }

    /// Whether it ended because it failed or was killed, not because the guest or this program ended it.
    var isFailure: Bool {
        isEnd
            && (detail == Int32(VIR_DOMAIN_EVENT_STOPPED_FAILED.rawValue)
                || detail == Int32(VIR_DOMAIN_EVENT_STOPPED_CRASHED.rawValue))
    }
}
