// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletSystem
package import SystemPackage

/// Whether these files would have their names after a power cut that follows these events: each was on the disk before
/// it was renamed to its name, and the directory's names were on the disk afterwards.
package func publishedDurably(_ paths: [FilePath], _ events: [DiskJournal.Event]) -> Bool {
    paths.allSatisfy { path in
        // Finds the event that gave the file its final name, and the file's first name.
        var name = path
        var end: Int?
        while let place = events.lastIndex(where: { if case .renamed(_, name) = $0 { true } else { false } }),
            case .renamed(let before, _) = events[place]
        {
            end = end ?? place
            name = before
        }
        guard let end, let synchronized = events.firstIndex(of: .synchronized(name)), synchronized < end else {
            return false
        }
        return events[end...].contains(.synchronized(path.removingLastComponent()))
    }
}
