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
}
