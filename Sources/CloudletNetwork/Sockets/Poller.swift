// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
package import CloudletCore
import CloudletSystem
import Glibc

/// Waits on one thread for many descriptors and a deadline (epoll(7)). Any thread may wake it.
package final class Poller: Sendable {
    /// A descriptor that is ready, identified by the number it was registered under.
    package struct Ready: Sendable {
        package let number: UInt64
        package let isReadable: Bool
        package let isWritable: Bool
    }

    private let epoll: Int32
    private let bell: Int32
    private static let bellNumber = UInt64.max

    package init() throws(CloudletError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        bell = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard epoll >= 0, bell >= 0, cloudlet_poll_watch(epoll, bell, Self.bellNumber, cloudlet_readable) == 0 else {
            // `deinit` closes both descriptors; it runs because all stored properties are set.
            throw CloudletError(errno: errno, "can't wait for sockets")
        }
    }

    deinit {
        close(epoll)
        close(bell)
    }

    /// Registers a descriptor, or changes whether it is watched for writing. Closing the descriptor unregisters it.
    package func watch(_ descriptor: Int32, as number: UInt64, forWriting: Bool = false) {
        let events = cloudlet_readable | (forWriting ? cloudlet_writable : 0)
        _ = cloudlet_poll_watch(epoll, descriptor, number, events)
    }

    /// Waits until a descriptor is ready, `time` has passed, or `wake` is called.
    /// - Returns: the ready descriptors; none when it was woken or `time` has passed.
    package func wait(until time: ContinuousClock.Instant?) -> [Ready] {
        var milliseconds: Int32 = -1
        if let time {
            let rest = (time - .now).seconds * 1000
            milliseconds = Int32(min(max(rest.rounded(.up), 0), 60_000))
        }
        var ready = [cloudlet_ready](repeating: cloudlet_ready(), count: 64)
        let count = unsafe cloudlet_poll_wait(epoll, &ready, 64, milliseconds)
        guard count > 0 else { return [] }
        return ready.prefix(Int(count)).compactMap { entry in
            guard entry.number != Self.bellNumber else {
                var value: UInt64 = 0
                unsafe read(bell, &value, 8)
                return nil
            }
            // Errors and hang-ups are reported by the next read or write.
            let isWritable = entry.events & cloudlet_writable != 0
            return Ready(
                number: entry.number, isReadable: entry.events & ~cloudlet_writable != 0, isWritable: isWritable)
        }
    }

    /// Ends the current or the next wait.
    package func wake() {
        var value: UInt64 = 1
        unsafe write(bell, &value, 8)
    }
}
