import CUPnP
import CloudletNetwork
import Synchronization

/// Whether `setsockopt` is corrected; switched on in libupnp's process only.
let correctsMulticastInterface = Atomic<Bool>(false)

/// Stands in front of the C library's setsockopt(2) for the whole program, libraries included.
///
/// libupnp 1.8 gives `IP_MULTICAST_IF` the size of a pointer in place of that of an address; on 64-bit systems the
/// kernel then takes another structure to be meant, and announcements leave by the wrong interface. In libupnp's
/// process that size is corrected. Everything else passes unchanged.
@_cdecl("setsockopt")
package func cloudletSetSockOpt(
    _ socket: Int32, _ level: Int32, _ name: Int32, _ value: UnsafeRawPointer?, _ length: UInt32
) -> Int32 {
    let isWrong =
        cloudlet_is_wrong_multicast_interface(level, name, length) != 0
        && correctsMulticastInterface.load(ordering: .relaxed)
    return unsafe cloudlet_raw_setsockopt(socket, level, name, value, isWrong ? 4 : length)
}

/// Which searches libupnp receives, in its process; other packets are not examined.
let searchFilter = Mutex<SearchFilter?>(nil)

/// Whether there is a filter: the question that costs all other programs' calls nothing.
let filtersSearches = Atomic<Bool>(false)

/// Stands in front of the C library's recvfrom(2), as above. In libupnp's process, what arrives at its SSDP socket is
/// replaced by what `SearchFilter` makes of it; what is not to be answered has not arrived (`EAGAIN`).
@_cdecl("recvfrom")
package func cloudletRecvFrom(
    _ socket: Int32, _ buffer: UnsafeMutableRawPointer?, _ capacity: Int, _ flags: Int32,
    _ sender: UnsafeMutableRawPointer?, _ length: UnsafeMutableRawPointer?
) -> Int {
    let count = unsafe cloudlet_raw_recvfrom(socket, buffer, capacity, flags, sender, length)
    guard count > 0, filtersSearches.load(ordering: .relaxed), let buffer = unsafe buffer,
        cloudlet_udp_family(socket, 1900) != 0
    else { return count }
    let datagram = unsafe Array(UnsafeRawBufferPointer(start: buffer, count: count))
    let source = unsafe IPAddress.v4(cloudlet_sender4(sender))
    guard let text = searchFilter.withLock({ $0?.pass(datagram, from: source) }), text.count <= capacity else {
        cloudlet_set_again()
        return -1
    }
    unsafe buffer.copyMemory(from: text, byteCount: text.count)
    return text.count
}
