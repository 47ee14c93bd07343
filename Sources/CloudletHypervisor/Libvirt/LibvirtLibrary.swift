import CLibvirt
import Dispatch
import Glibc

/// Process-wide set-up of libvirt: no chatter on stderr, and the event loop that an embedded driver needs before the
/// first connection is opened.
enum LibvirtLibrary {
    /// Runs the set-up once.
    /// - Parameter log: where libvirt writes warnings; errors come back to the caller as well. `LIBVIRT_LOG_OUTPUTS`
    ///   of the user's goes first.
    static func prepare(log: String) {
        unsafe setenv("LIBVIRT_LOG_OUTPUTS", "3:file:\(log)", 0)
        _ = prepared
    }

    private static let prepared: Bool = {
        cloudlet_vir_be_quiet()
        guard virInitialize() == 0, virEventRegisterDefaultImpl() == 0 else { return false }
        DispatchQueue(label: "cloudlet-libvirt-events").async {
            while true { _ = virEventRunDefaultImpl() }
        }
        return true
    }()
}
