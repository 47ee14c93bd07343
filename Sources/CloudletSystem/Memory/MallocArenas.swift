// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux

/// The arenas (heaps) of glibc's malloc, which serve the program's threads.
package enum MallocArenas {
    /// Limits the arenas to one per processor, at least two. By default glibc makes eight per processor, and each one
    /// keeps most of the memory that a synthesis once needed.
    ///
    /// Must be called before threads are started, because existing arenas stay. (mallopt(3), M_ARENA_MAX)
    package static func limit() {
        _ = cloudlet_limit_heaps(Int32(Processors.count))
    }

    /// Returns freed memory to the system. By default, glibc keeps memory that was freed in a large number of small
    /// pieces. Takes milliseconds. (malloc_trim(3))
    package static func trim() { _ = cloudlet_trim_heaps() }
}
