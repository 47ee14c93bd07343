import CLibvirt
import Dispatch
import Glibc

/// Process-wide set-up of libvirt: no chatter on stderr, and the event loop that an embedded driver needs before the
/// first connection is opened.
enum LibvirtLibrary {
    /// Runs the set-up once.
    static func prepare() { _ = prepared }

    private static let prepared: Bool = {
        // Warnings of the embedded driver go nowhere unless the user asks for them; errors come back to the caller.
        unsafe setenv("LIBVIRT_LOG_OUTPUTS", "4:stderr", 0)
        cloudlet_vir_be_quiet()
        guard virInitialize() == 0, virEventRegisterDefaultImpl() == 0 else { return false }
        DispatchQueue(label: "cloudlet-libvirt-events").async {
            while true { _ = virEventRunDefaultImpl() }
        }
        return true
    }()
}
