// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CUPnP
import CloudletNetwork
import Synchronization

/// Whether calls of `setsockopt` are corrected; only libupnp's process sets it.
let correctsMulticastInterface = Atomic<Bool>(false)

/// Replaces the C library's setsockopt(2) for the whole program, libraries included.
///
/// libupnp 1.8 passes `IP_MULTICAST_IF` with the size of a pointer instead of that of an address; on 64-bit systems the
/// kernel then expects another structure, and announcements leave by the wrong interface. In libupnp's process this
/// function corrects the size. It passes all other calls on unchanged.
@_cdecl("setsockopt")
package func cloudletSetSockOpt(
    _ socket: Int32, _ level: Int32, _ name: Int32, _ value: UnsafeRawPointer?, _ length: UInt32
) -> Int32 {
    let isWrong =
        cloudlet_is_wrong_multicast_interface(level, name, length) != 0
        && correctsMulticastInterface.load(ordering: .relaxed)
    return unsafe cloudlet_raw_setsockopt(socket, level, name, value, isWrong ? 4 : length)
}

/// The filter of the searches that libupnp receives, in its process; other packets are not examined.
let searchFilter = Mutex<SearchFilter?>(nil)

/// Whether there is a filter; checking this flag costs the calls of other programs next to nothing.
let filtersSearches = Atomic<Bool>(false)

/// Replaces the C library's recvfrom(2) in the same way. In libupnp's process, a datagram that arrives at its SSDP
/// socket is replaced by the result of `SearchFilter`; for one that gets no answer, the call fails with `EAGAIN`, as if
/// none had arrived.
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
