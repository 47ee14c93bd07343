// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLibvirt
import CloudletCore
import CloudletSystem
import Glibc

/// Process-wide setup of libvirt: nothing is written to stderr, and the event loop runs, which an embedded driver needs
/// before the first connection is opened.
enum LibvirtLibrary {
    /// Runs the setup once.
    /// - Parameter log: the file for libvirt's warnings; errors are also returned to the caller. A
    ///   `LIBVIRT_LOG_OUTPUTS` set by the user takes precedence.
    /// - Throws: `CloudletError.unavailable` when libvirt can't be set up.
    static func prepare(log: String) throws(CloudletError) {
        unsafe setenv("LIBVIRT_LOG_OUTPUTS", "3:file:\(log)", 0)
        guard prepared else { throw CloudletError(.unavailable, "libvirt can't be set up in this process") }
    }

    private static let prepared: Bool = {
        cloudlet_vir_be_quiet()
        guard virInitialize() == 0, virEventRegisterDefaultImpl() == 0 else { return false }
        return DetachedThread.start {
            while true { _ = virEventRunDefaultImpl() }
        }
    }()
}
