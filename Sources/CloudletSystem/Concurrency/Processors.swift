import Glibc

/// The processors of this machine.
package enum Processors {
    /// How many are online; two at least.
    package static let count = max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
}
