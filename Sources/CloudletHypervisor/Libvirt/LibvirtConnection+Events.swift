import CLibvirt

extension LibvirtConnection {
    /// Has libvirt report what happens to domains. A driver without one of the kinds of events (as libvirt's own for tests)
    /// reports the others; who waits then asks when the time is over.
    func listen() {
        let lifecycle: virConnectDomainEventCallback = { _, domain, event, detail, context in
            unsafe DomainEvents.notify(domain, .lifecycle(LifecycleEvent(event: event, detail: detail)), context)
            return 0
        }
        let agent: virConnectDomainEventAgentLifecycleCallback = { _, domain, state, _, context in
            guard state == Int32(VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED.rawValue) else { return }
            unsafe DomainEvents.notify(domain, .agentConnected, context)
        }
        // Source: QEMU's QMP reference, event MIGRATION; libvirt has the capability `events` switched on.
        let migration: virConnectDomainQemuMonitorEventCallback = { _, domain, _, _, _, details, context in
            let text = unsafe details.map { unsafe String(cString: $0) } ?? ""
            guard ["completed", "failed", "cancelled"].contains(where: { text.contains("\"\($0)\"") }) else { return }
            unsafe DomainEvents.notify(domain, .migrationEnded, context)
        }
        // libvirt releases the reference with the callback, where it has taken that.
        func register(_ body: (UnsafeMutableRawPointer) -> Int32) {
            let reference = unsafe Unmanaged.passRetained(events)
            if unsafe body(reference.toOpaque()) < 0 { unsafe reference.release() }
        }
        unsafe register { unsafe cloudlet_vir_register_lifecycle(pointer, lifecycle, $0, DomainEvents.release) }
        unsafe register { unsafe cloudlet_vir_register_agent(pointer, agent, $0, DomainEvents.release) }
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

    /// Passes on what libvirt's event loop reports of a domain.
    fileprivate static func notify(
        _ domain: OpaquePointer?, _ event: DomainEvent, _ context: UnsafeMutableRawPointer?
    ) {
        guard let context = unsafe context, let domain = unsafe domain, let name = unsafe virDomainGetName(domain)
        else { return }
        unsafe Unmanaged<DomainEvents>.fromOpaque(context).takeUnretainedValue().notify(String(cString: name), event)
    }
}
