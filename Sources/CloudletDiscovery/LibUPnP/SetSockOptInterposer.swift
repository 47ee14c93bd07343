import CUPnP
import Synchronization

/// Whether `setsockopt` is corrected; switched on in libupnp's process only.
let correctsMulticastInterface = Atomic<Bool>(false)

/// Stands in front of the C library's setsockopt(2) for the whole program, libraries included.
///
/// libupnp 1.8 gives `IP_MULTICAST_IF` the size of a pointer in place of that of an address; on 64-bit systems the
/// kernel then takes another structure to be meant, and announcements leave by the wrong interface. In libupnp's
/// process that size is corrected. Everything else passes unchanged.
@_cdecl("setsockopt")
public func cloudletSetSockOpt(
    _ socket: Int32, _ level: Int32, _ name: Int32, _ value: UnsafeRawPointer?, _ length: UInt32
) -> Int32 {
    let isWrong =
        cloudlet_is_wrong_multicast_interface(level, name, length) != 0
        && correctsMulticastInterface.load(ordering: .relaxed)
    return unsafe cloudlet_raw_setsockopt(socket, level, name, value, isWrong ? 4 : length)
}
