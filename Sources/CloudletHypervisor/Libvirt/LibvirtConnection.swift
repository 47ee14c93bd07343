import CLibvirt
import CloudletCore
import CloudletSystem
import SystemPackage

/// An open connection to a libvirt driver; closed when the last reference goes.
///
/// `@unchecked Sendable`: libvirt's connection objects are thread-safe by contract, and the pointer never changes.
@safe final class LibvirtConnection: @unchecked Sendable {
    let pointer: OpaquePointer
    /// The URI it was opened with.
    let uri: String
    /// Where an embedded driver writes the process numbers of its emulators.
    let processFiles: FilePath?
    /// What happens to its domains.
    let events = DomainEvents()
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
        listen()
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
