// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension VirtualMachine {
    /// Tells QEMU not to touch the host's cache of the disk files when the VM is resumed. Otherwise QEMU would, as
    /// after a migration from another host, first write the cached data to the disk and drop the cache, that of the
    /// base's disk too. This only affects speed, so a QEMU without the command is used unchanged.
    func keepFileCache(discards: Bool) {
        guard let nodes = try? query("query-named-block-nodes", as: [BlockNode].self) else { return }
        let files = nodes.filter { $0.driver == "file" && !$0.name.hasPrefix("libvirt-pflash") }.map { node in
            FileNode(
                filename: node.file, name: node.name, cache: node.cache, discard: discards ? "unmap" : "ignore")
        }
        try? command("blockdev-reopen", ReopenedNodes(options: files))
    }
}

/// A part of a disk as QEMU reports it (`query-named-block-nodes`).
private struct BlockNode: Decodable {
    let name: String
    let driver: String
    let file: String
    let cache: NodeCache

    enum CodingKeys: String, CodingKey {
        case name = "node-name"
        case driver = "drv"
        case file, cache
    }
}

private struct NodeCache: Codable {
    let direct: Bool
    let noFlush: Bool

    enum CodingKeys: String, CodingKey {
        case direct
        case noFlush = "no-flush"
    }
}

private struct ReopenedNodes: Encodable { let options: [FileNode] }

/// A file as libvirt 9 describes it to QEMU, except that its cache is kept.
private struct FileNode: Encodable {
    let driver = "file"
    let filename: String
    let name: String
    let cache: NodeCache
    let readOnlyByItself = true
    let discard: String
    let dropCache = false

    enum CodingKeys: String, CodingKey {
        case driver, filename, cache, discard
        case name = "node-name"
        case readOnlyByItself = "auto-read-only"
        case dropCache = "drop-cache"
    }
}
