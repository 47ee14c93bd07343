import CLibvirt
import CloudletCore
import CloudletSystem
import Synchronization
import SystemPackage

/// An open connection to a libvirt driver; closed when the last reference goes.
///
/// `@unchecked Sendable`: libvirt's connection objects are thread-safe by contract, and the pointer never changes.
@safe final class LibvirtConnection: @unchecked Sendable {
    private let pointer: OpaquePointer
    /// The URI it was opened with.
    let uri: String
    /// Where an embedded driver writes the process numbers of its emulators.
    let processFiles: FilePath?
    private let listeners = LifecycleListeners()
    private let kept: File?

    /// Opens a connection; libvirt's warnings go to the file `log`. What the URI names is kept open as `keeping`. Blocks.
    init(
        uri: String, log: String = "/dev/null", keeping kept: File? = nil, processFiles: FilePath? = nil
    ) throws(CloudletError) {
        self.kept = kept
        try LibvirtLibrary.prepare(log: log)
        guard let pointer = unsafe virConnectOpen(uri) else {
            throw LibvirtError.current("can't connect to the hypervisor at \(uri)")
        }
        unsafe self.pointer = pointer
        self.uri = uri
        self.processFiles = processFiles
        let context = unsafe Unmanaged.passRetained(listeners).toOpaque()
        let callback: virConnectDomainEventCallback = { _, domain, event, detail, context in
            guard let context = unsafe context, let domain = unsafe domain else { return 0 }
            let listeners = unsafe Unmanaged<LifecycleListeners>.fromOpaque(context).takeUnretainedValue()
            if let name = unsafe virDomainGetName(domain) {
                listeners.notify(unsafe String(cString: name), LifecycleEvent(event: event, detail: detail))
            }
            return 0
        }
        _ = unsafe cloudlet_vir_register_lifecycle(pointer, callback, context) { context in
            if let context = unsafe context { unsafe Unmanaged<LifecycleListeners>.fromOpaque(context).release() }
        }
    }

    deinit { unsafe virConnectClose(pointer) }

    /// The host's capabilities as XML.
    func capabilities() throws(CloudletError) -> String {
        guard let text = unsafe LibvirtText(virConnectGetCapabilities(pointer)) else {
            throw LibvirtError.current("can't read the hypervisor's capabilities")
        }
        return text.string
    }

    /// Starts a domain that exists as long as it runs. Blocks until the emulator is up.
    func createDomain(_ xml: String, paused: Bool) throws(CloudletError) -> LibvirtDomain {
        let flags = paused ? VIR_DOMAIN_START_PAUSED.rawValue : 0
        guard let domain = unsafe virDomainCreateXML(pointer, xml, flags) else {
            throw LibvirtError.current("can't start the VM")
        }
        return unsafe LibvirtDomain(owning: domain, of: self)
    }

    /// The active domain with this name, if there is one.
    func activeDomain(_ name: String) throws(CloudletError) -> LibvirtDomain? {
        guard let domain = unsafe virDomainLookupByName(pointer, name) else {
            if LibvirtError.domainIsGone { return nil }
            throw LibvirtError.current("can't look up the VM \(name)")
        }
        let found = unsafe LibvirtDomain(owning: domain, of: self)
        return found.isActive ? found : nil
    }

    /// The active domains.
    func activeDomains() throws(CloudletError) -> [LibvirtDomain] {
        var list: UnsafeMutablePointer<virDomainPtr?>?
        let count = unsafe virConnectListAllDomains(pointer, &list, VIR_CONNECT_LIST_DOMAINS_ACTIVE.rawValue)
        guard count >= 0, let list = unsafe list else { throw LibvirtError.current("can't list the VMs") }
        defer { unsafe free(list) }
        var domains: [LibvirtDomain] = []
        for index in 0..<Int(count) {
            if let domain = unsafe list[index] { domains.append(unsafe LibvirtDomain(owning: domain, of: self)) }
        }
        return domains
    }

    /// What happens to the domain with this name from now on.
    func lifecycleEvents(of name: String) -> AsyncStream<LifecycleEvent> { listeners.stream(for: name) }

    /// Tells `listener` the names of domains that are paused from now on because their disks can't be written.
    func tellDiskErrors(to listener: AsyncStream<String>.Continuation) { listeners.tellDiskErrors(to: listener) }

    /// Waits until the domain with this name has ended.
    /// - Parameters:
    ///   - name: the domain's name.
    ///   - isActive: whether it is still there.
    /// - Returns: how it ended; `nil` when that was before anybody listened, or the task was cancelled.
    func end(of name: String, isActive: () async -> Bool) async -> LifecycleEvent? {
        let events = lifecycleEvents(of: name)
        guard await isActive() else { return listeners.lastEnd(of: name) }
        for await event in events where event.isEnd { return event }
        return nil
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

    /// It ended because it failed or was killed, not because the guest or we asked for it.
    var isFailure: Bool {
        isEnd
            && (detail == Int32(VIR_DOMAIN_EVENT_STOPPED_FAILED.rawValue)
                || detail == Int32(VIR_DOMAIN_EVENT_STOPPED_CRASHED.rawValue))
    }
}

/// Spreads lifecycle events to those who wait for a domain's.
private final class LifecycleListeners: Sendable {
    private let continuations = Mutex<[(name: String, id: Int, AsyncStream<LifecycleEvent>.Continuation)]>([])
    private let diskErrorListeners = Mutex<[AsyncStream<String>.Continuation]>([])
    /// How the last domains ended, the latest last.
    private let ends = Mutex<[(name: String, event: LifecycleEvent)]>([])
    private let nextID = Atomic(0)
    private static let remembered = 256

    func stream(for name: String) -> AsyncStream<LifecycleEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: LifecycleEvent.self, bufferingPolicy: .bufferingNewest(16))
        let id = nextID.add(1, ordering: .relaxed).newValue
        continuation.onTermination = { [weak self] _ in self?.remove(id) }
        continuations.withLock { $0.append((name, id, continuation)) }
        return stream
    }

    func tellDiskErrors(to listener: AsyncStream<String>.Continuation) {
        diskErrorListeners.withLock { $0.append(listener) }
    }

    func lastEnd(of name: String) -> LifecycleEvent? { ends.withLock { $0.last { $0.name == name }?.event } }

    func notify(_ name: String, _ event: LifecycleEvent) {
        if event.isEnd {
            ends.withLock { ends in
                if ends.count >= Self.remembered { ends.removeFirst() }
                ends.append((name, event))
            }
        }
        if event.isDiskError { for listener in diskErrorListeners.withLock({ $0 }) { listener.yield(name) } }
        for entry in continuations.withLock({ $0 }) where entry.name == name {
            entry.2.yield(event)
            if event.isEnd { entry.2.finish() }
        }
    }

    private func remove(_ id: Int) { continuations.withLock { $0.removeAll { $0.id == id } } }
}

/// A text that libvirt allocated; freed with the object.
@safe struct LibvirtText: ~Copyable {
    private let pointer: UnsafeMutablePointer<CChar>

    /// Takes over a text; `nil` stays `nil`.
    init?(_ pointer: UnsafeMutablePointer<CChar>?) {
        guard let pointer = unsafe pointer else { return nil }
        unsafe self.pointer = pointer
    }

    deinit { unsafe free(pointer) }

    var string: String { unsafe String(cString: pointer) }
}
