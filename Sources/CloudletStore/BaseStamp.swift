package import CloudletSystem

/// What the file system says of a base VM's images, by which a change is noticed without reading them: sizes, inode
/// numbers, and the times of the last change of content and of anything (stat(2)). Everybody who may write can set the time
/// of the content; the other one is the kernel's own. Device numbers are left out: some differ after each boot.
///
/// The same stamp means the same content. Another one (the files were copied, touched, linked) says nothing: then the
/// content is looked at once, and the new stamp noted.
package struct BaseStamp: Hashable, Sendable {
    /// As it is kept.
    let text: String

    init(text: String) { self.text = text }

    /// From what is known of the open files.
    package init(disk: FileStatus, memory: FileStatus) {
        text = [disk, memory].map { "\($0.size):\($0.identity.inode):\($0.modified):\($0.changed)" }
            .joined(separator: " ")
    }
}
