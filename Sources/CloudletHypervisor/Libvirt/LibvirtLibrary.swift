import CLibvirt
import CloudletCore
import CloudletSystem
import Glibc

/// Process-wide set-up of libvirt: no chatter on stderr, and the event loop that an embedded driver needs before the
/// first connection is opened.
enum LibvirtLibrary {
    /// Runs the set-up once.
    /// - Parameter log: where libvirt writes warnings; errors come back to the caller as well. `LIBVIRT_LOG_OUTPUTS`
    ///   of the user's goes first.
    /// - Throws: `CloudletError.unavailable` when there is no libvirt that works.
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
