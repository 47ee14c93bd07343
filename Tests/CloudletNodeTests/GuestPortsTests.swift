// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import Testing

@testable import CloudletNode
@testable import CloudletSystem

/// Which ports of the host overlays get.
@Suite struct GuestPortsTests {
    private func forward(_ port: UInt16) -> PortForward { PortForward(.udp, hostPort: port, guestPort: 9) }

    @Test("ports below 1024 and those of the node's services are not given to guests, unless that is set")
    func ports() {
        for isOpen in [false, true] {
            let ports = GuestPorts(isOpen: isOpen)
            ports.reserve { [8021, 8022] }
            for port: UInt16 in [1, 22, 53, 80, 1023, 1900, 5353, 8021, 8022] {
                #expect(ports.allow(forward(port)) == isOpen, "\(port)")
            }
            for port: UInt16 in [1024, 2222, 8020, 8023, 9876, 65535] { #expect(ports.allow(forward(port))) }
        }
    }

    @Test("a port that is not given is moved for clients that allow it, and refused to others")
    func moving() throws {
        var options = VMOptions.Forwarding()
        options.mayOpen = GuestPorts(isOpen: false).allow
        let wanted = [forward(53), forward(0), forward(2222)]
        let error = #expect(throws: CloudletError.self) { try options.permitted(wanted) }
        #expect(error?.code == .permission)
        #expect(error?.description.contains("port 53 of this host may not be opened by guests") == true)
        options.movesTaken = true
        #expect(try options.permitted(wanted) == [forward(0), forward(0), forward(2222)])
    }

    @Test("a full disk makes the node not ready, with figures")
    func fullDisk() throws {
        let space = FileSystemSpace(blocks: 1000, available: 300, blockBytes: 1 << 20)
        try DiskCheck.requireRoom(space, reserve: 256 << 20)
        try DiskCheck.requireRoom(nil, reserve: 256 << 20)
        for reserve in [290 << 20, 1 << 40] {
            let error = #expect(throws: CloudletError.self) { try DiskCheck.requireRoom(space, reserve: reserve) }
            #expect(
                error?.description.contains("the disk of VMs has 300 MiB of free space") == true, "\(error as Any)")
        }
    }
}
