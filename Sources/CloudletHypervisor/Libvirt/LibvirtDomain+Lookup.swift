// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLibvirt
import CloudletCore

extension LibvirtDomain {
    /// Starts a transient domain, which exists only while it runs. Blocks until the emulator has started.
    static func create(
        _ xml: String, paused: Bool, on connection: LibvirtConnection
    ) throws(CloudletError) -> LibvirtDomain {
        let flags = paused ? VIR_DOMAIN_START_PAUSED.rawValue : 0
        guard let domain = unsafe virDomainCreateXML(connection.pointer, xml, flags) else {
            throw LibvirtError.current("can't start the VM")
        }
        return unsafe LibvirtDomain(owning: domain, of: connection)
    }

    /// The active domain with this name, if there is one.
    static func active(
        _ name: String, on connection: LibvirtConnection
    ) throws(CloudletError) -> LibvirtDomain? {
        guard let domain = unsafe virDomainLookupByName(connection.pointer, name) else {
            if LibvirtError.domainIsGone { return nil }
            throw LibvirtError.current("can't look up the VM \(name)")
        }
        let found = unsafe LibvirtDomain(owning: domain, of: connection)
        return found.isActive ? found : nil
    }

    /// The active domains.
    static func active(on connection: LibvirtConnection) throws(CloudletError) -> [LibvirtDomain] {
        var list: UnsafeMutablePointer<virDomainPtr?>?
        let count = unsafe virConnectListAllDomains(connection.pointer, &list, VIR_CONNECT_LIST_DOMAINS_ACTIVE.rawValue)
        guard count >= 0, let list = unsafe list else { throw LibvirtError.current("can't list the VMs") }
        defer { unsafe free(list) }
        var domains: [LibvirtDomain] = []
        for index in 0..<Int(count) {
            if let domain = unsafe list[index] { domains.append(unsafe LibvirtDomain(owning: domain, of: connection)) }
        }
        return domains
    }
}
