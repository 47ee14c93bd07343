// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLibvirt
import CloudletCore
import CloudletSystem
import SystemPackage

/// An open connection to a libvirt driver. It is closed when the last reference is released.
///
/// `@unchecked Sendable`: libvirt's connection objects are thread-safe by contract, and the pointer never changes.
@safe final class LibvirtConnection: @unchecked Sendable {
    let pointer: OpaquePointer
    /// The URI it was opened with.
    let uri: String
    /// The directory in which an embedded driver stores the process numbers of its emulators.
    let processFiles: FilePath?
    /// The events of its domains.
    let events = DomainEvents()
    private let kept: File?

    /// Opens a connection and keeps the directory `kept`, which the URI can name, open. libvirt writes warnings to the
    /// file `log`. Blocks.
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

    /// The names of the CPU models of 64-bit x86 guests that libvirt knows.
    func cpuModels() throws(CloudletError) -> [String] {
        var list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        let count = unsafe virConnectGetCPUModelNames(pointer, "x86_64", &list, 0)
        guard count >= 0, let list = unsafe list else { throw LibvirtError.current("can't list the CPU models") }
        defer { unsafe free(list) }
        var names: [String] = []
        for index in 0..<Int(count) {
            if let name = unsafe LibvirtText(list[index]) { names.append(name.string) }
        }
        return names
    }

    /// The host's capabilities as XML.
    func capabilities() throws(CloudletError) -> String {
        guard let text = unsafe LibvirtText(virConnectGetCapabilities(pointer)) else {
            throw LibvirtError.current("can't read the hypervisor's capabilities")
        }
        return text.string
    }
}
