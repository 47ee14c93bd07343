// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLibvirt

extension LibvirtConnection {
    /// Registers for the events of domains. A driver may lack a kind of event (such as libvirt's test driver) and
    /// reports the others. Then the waiting tasks check their condition only when their time is over.
    func listen() {
        let lifecycle: virConnectDomainEventCallback = { _, domain, event, detail, context in
            unsafe DomainEvents.notify(domain, .lifecycle(LifecycleEvent(event: event, detail: detail)), context)
            return 0
        }
        // Source: QEMU's QMP reference, event MIGRATION. libvirt switches on the capability `events`, which it needs.
        let migration: virConnectDomainQemuMonitorEventCallback = { _, domain, _, _, _, details, context in
            let text = unsafe details.map { unsafe String(cString: $0) } ?? ""
            guard ["completed", "failed", "cancelled"].contains(where: { text.contains("\"\($0)\"") }) else { return }
            unsafe DomainEvents.notify(domain, .migrationEnded, context)
        }
        // If libvirt accepts the callback, it releases the reference together with it.
        func register(_ body: (UnsafeMutableRawPointer) -> Int32) {
            let reference = unsafe Unmanaged.passRetained(events)
            if unsafe body(reference.toOpaque()) < 0 { unsafe reference.release() }
        }
        unsafe register { unsafe cloudlet_vir_register_lifecycle(pointer, lifecycle, $0, DomainEvents.release) }
        unsafe register {
            unsafe virConnectDomainQemuMonitorEventRegister(
                pointer, nil, "MIGRATION", migration, $0, DomainEvents.release, 0)
        }
    }
}

extension DomainEvents {
    fileprivate static let release: virFreeCallback = { context in
        if let context = unsafe context { unsafe Unmanaged<DomainEvents>.fromOpaque(context).release() }
    }

    /// Delivers an event that libvirt's event loop reports.
    fileprivate static func notify(
        _ domain: OpaquePointer?, _ event: DomainEvent, _ context: UnsafeMutableRawPointer?
    ) {
        guard let context = unsafe context, let domain = unsafe domain, let name = unsafe virDomainGetName(domain)
        else { return }
        unsafe Unmanaged<DomainEvents>.fromOpaque(context).takeUnretainedValue().notify(String(cString: name), event)
    }
}
