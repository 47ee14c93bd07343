import CLinux

/// The heaps from which glibc serves a program's threads.
package enum MallocArenas {
    /// Allows one heap a processor, and two at least. By itself glibc makes eight a processor, and each keeps, for good,
    /// most of what one synthesis needed at once.
    ///
    /// To be called before threads are started: the heaps there are stay. (mallopt(3), M_ARENA_MAX)
    package static func limit() {
        _ = cloudlet_limit_heaps(Int32(Processors.count))
    }

    /// Gives memory that was freed back to the system: after a large number of small pieces, by itself glibc keeps it for
    /// good. Takes milliseconds. (malloc_trim(3))
    package static func trim() { _ = cloudlet_trim_heaps() }
}
