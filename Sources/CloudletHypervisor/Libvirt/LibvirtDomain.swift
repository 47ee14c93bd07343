// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLibvirt
import CloudletCore
import Glibc

/// A domain (VM) of a connection. The reference is released with the object; the VM keeps running.
///
/// `@unchecked Sendable`: libvirt's domain objects are thread-safe by contract, and the pointer never changes. Every
/// call blocks; callers use executors of their own.
@safe final class LibvirtDomain: @unchecked Sendable {
    private let pointer: OpaquePointer
    let connection: LibvirtConnection
    /// The domain's name, stored here because asking libvirt for it would overwrite the error that is being reported.
    let name: String

    /// Takes ownership of a reference.
    init(owning pointer: OpaquePointer, of connection: LibvirtConnection) {
        unsafe self.pointer = pointer
        self.connection = connection
        name = unsafe virDomainGetName(pointer).map { unsafe String(cString: $0) } ?? ""
    }

    deinit { unsafe virDomainFree(pointer) }

    /// Whether the emulator still runs.
    var isActive: Bool { unsafe virDomainIsActive(pointer) == 1 }

    /// The domain's state according to libvirt.
    func state() throws(CloudletError) -> State {
        var state: Int32 = 0
        var reason: Int32 = 0
        guard unsafe virDomainGetState(pointer, &state, &reason, 0) == 0 else {
            throw LibvirtError.current("can't read the state of VM \(name)")
        }
        switch virDomainState(rawValue: UInt32(bitPattern: state)) {
        case VIR_DOMAIN_RUNNING, VIR_DOMAIN_BLOCKED: return .running
        case VIR_DOMAIN_PAUSED:
            return reason == Int32(bitPattern: VIR_DOMAIN_PAUSED_IOERROR.rawValue) ? .stalled : .paused
        case VIR_DOMAIN_PMSUSPENDED: return .asleep
        case VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTDOWN: return .off
        default: return .other
        }
    }

    /// A domain's state, as far as it is used here.
    enum State: Sendable {
        case running
        case paused
        /// QEMU has paused it because its disk can't be written.
        case stalled
        /// The guest went to sleep by itself (ACPI S3): its memory is intact, its processors are off.
        case asleep
        case off
        case other
    }

    /// Stops the virtual CPUs.
    func suspend() throws(CloudletError) {
        guard unsafe virDomainSuspend(pointer) == 0 else { throw LibvirtError.current("can't pause VM \(name)") }
    }

    /// Lets the virtual CPUs run.
    func resume() throws(CloudletError) {
        guard unsafe virDomainResume(pointer) == 0 else { throw LibvirtError.current("can't resume VM \(name)") }
    }

    /// Wakes up a sleeping guest, as pressing a key does.
    func wakeUp() throws(CloudletError) {
        guard unsafe virDomainPMWakeup(pointer, 0) == 0 else { throw LibvirtError.current("can't wake up VM \(name)") }
    }

    /// Ends the emulator at once. Does nothing if it has already ended.
    func destroy() throws(CloudletError) {
        if unsafe virDomainDestroy(pointer) == 0 || LibvirtError.domainIsGone { return }
        throw LibvirtError.current("can't end VM \(name)")
    }

    /// The description, including what libvirt filled in (ports, addresses).
    func description() throws(CloudletError) -> String {
        guard let text = unsafe LibvirtText(virDomainGetXMLDesc(pointer, 0)) else {
            throw LibvirtError.current("can't read the description of VM \(name)")
        }
        return text.string
    }

    /// Sends a QMP command and returns its answer, both as JSON text. `descriptors` are sent with it (SCM_RIGHTS).
    func monitor(_ command: String, descriptors: [Int32] = []) throws(CloudletError) -> String {
        var result: UnsafeMutablePointer<CChar>?
        let status: Int32
        if descriptors.isEmpty {
            status = unsafe virDomainQemuMonitorCommand(pointer, command, &result, 0)
        } else {
            var descriptors = descriptors
            let count = UInt32(descriptors.count)
            status = unsafe virDomainQemuMonitorCommandWithFiles(
                pointer, command, count, &descriptors, nil, nil, &result, 0)
        }
        guard status == 0, let text = unsafe LibvirtText(result) else {
            throw LibvirtError.current("the emulator of VM \(name) refused a command")
        }
        return text.string
    }
}
