// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLibvirt
import CloudletCore

/// libvirt's last error on this thread.
enum LibvirtError {
    /// An error for a libvirt call that has just failed; `message` says what was tried.
    static func current(_ message: String) -> CloudletError {
        guard let raw = unsafe virGetLastError() else { return CloudletError(.unavailable, message) }
        let text = unsafe raw.pointee.message.map { unsafe String(cString: $0) } ?? "no reason given"
        let code = unsafe raw.pointee.code
        return CloudletError(
            Self.code(code), "\(message): \(text.trimmed)", advice: advice(code, text))
    }

    /// Whether the last failure on this thread means that the domain is gone.
    static var domainIsGone: Bool {
        let code = virErrorNumber(rawValue: UInt32(bitPattern: virGetLastErrorCode()))
        return code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID
    }

    /// Whether the last failure on this thread means that libvirt does not support an argument on this host.
    static var isInvalidArgument: Bool {
        virErrorNumber(rawValue: UInt32(bitPattern: virGetLastErrorCode())) == VIR_ERR_INVALID_ARG
    }

    private static func code(_ number: Int32) -> CloudletError.Code {
        switch virErrorNumber(rawValue: UInt32(bitPattern: number)) {
        case VIR_ERR_NO_DOMAIN: .notFound
        case VIR_ERR_AUTH_FAILED, VIR_ERR_AUTH_CANCELLED, VIR_ERR_ACCESS_DENIED: .permission
        case VIR_ERR_OPERATION_TIMEOUT, VIR_ERR_RESOURCE_BUSY, VIR_ERR_NO_MEMORY: .busy
        default: .unavailable
        }
    }

    private static func advice(_ number: Int32, _ text: String) -> String? {
        switch virErrorNumber(rawValue: UInt32(bitPattern: number)) {
        case VIR_ERR_NO_CONNECT: "install libvirt-daemon-driver-qemu, or name a running libvirt with --connect"
        case VIR_ERR_AUTH_FAILED: "add the user to the group 'libvirt', or use the default hypervisor"
        default: text.contains("Cannot find QEMU binary") ? "install qemu-system-x86" : nil
        }
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace || last == "." { text.removeLast() }
        return text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
