import CLibvirt

/// Something that libvirt reports of a domain.
enum DomainEvent: Sendable, Hashable {
    /// The domain's life changed: started, paused, stopped and the like.
    case lifecycle(LifecycleEvent)
    /// QEMU's migration code, which saves and loads device state, has done its work or failed.
    case migrationEnded
    /// The guest's agent has opened its channel.
    case agentConnected

    /// The emulator ended, for whatever reason.
    var isEnd: Bool {
        if case .lifecycle(let event) = self { event.isEnd } else { false }
    }
}

/// A change in a domain's life.
struct LifecycleEvent: Sendable, Hashable {
    /// libvirt's event and detail numbers.
    let event: Int32
    let detail: Int32

    /// The emulator ended, for whatever reason.
    var isEnd: Bool { event == Int32(VIR_DOMAIN_EVENT_STOPPED.rawValue) }

    /// The VM was paused because its disk could not be written.
    var isDiskError: Bool {
        event == Int32(VIR_DOMAIN_EVENT_SUSPENDED.rawValue)
            && detail == Int32(VIR_DOMAIN_EVENT_SUSPENDED_IOERROR.rawValue)
    }

    /// The guest went to sleep (ACPI S3).
    var isSleep: Bool { event == Int32(VIR_DOMAIN_EVENT_PMSUSPENDED.rawValue) }

    /// It ended because it failed or was killed, not because the guest or we asked for it.
    var isFailure: Bool {
        isEnd
            && (detail == Int32(VIR_DOMAIN_EVENT_STOPPED_FAILED.rawValue)
                || detail == Int32(VIR_DOMAIN_EVENT_STOPPED_CRASHED.rawValue))
    }
}
