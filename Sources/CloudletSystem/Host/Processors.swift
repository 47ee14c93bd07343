import Glibc

/// The processors of this machine.
public enum Processors {
    /// How many are online; two at least.
    public static let count = max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
}
