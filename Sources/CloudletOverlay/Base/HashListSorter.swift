// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem

/// Sorts more hash records than fit into memory: they are distributed to files by the first byte of their hash, then each
/// file is sorted by itself. Of the records with the same hash, the one with the lowest offset is kept.
struct HashListSorter {
    private static let bucketCount = 256
    private static let flushBytes = 64 << 10

    private let buckets: [File]
    private var sizes = [Int](repeating: 0, count: bucketCount)
    private var buffers = [[UInt8]](repeating: [], count: bucketCount)

    /// Creates a sorter that stores each bucket of records in a file from `makeScratch`.
    init(makeScratch: (Int) throws(CloudletError) -> File) throws(CloudletError) {
        var files: [File] = []
        for index in 0..<Self.bucketCount { files.append(try makeScratch(index)) }
        buckets = files
    }

    mutating func add(_ record: HashRecord) throws(CloudletError) {
        let bucket = Int(record.hash.words.0 >> 56)
        record.append(to: &buffers[bucket])
        if buffers[bucket].count >= Self.flushBytes { try flush(bucket) }
    }

    /// Passes all records to `body`, sorted by hash.
    mutating func drain(_ body: (HashRecord) throws(CloudletError) -> Void) throws(CloudletError) {
        for bucket in 0..<Self.bucketCount {
            try flush(bucket)
            var records = try load(bucket)
            records.sort()
            var last: SHA256Digest?
            for record in records where record.hash != last {
                last = record.hash
                try body(record)
            }
        }
    }

    private mutating func flush(_ bucket: Int) throws(CloudletError) {
        var buffer: [UInt8] = []
        swap(&buffer, &buffers[bucket])
        try buckets[bucket].write(buffer, at: sizes[bucket])
        sizes[bucket] += buffer.count
        buffer.removeAll(keepingCapacity: true)
        swap(&buffer, &buffers[bucket])
    }

    private func load(_ bucket: Int) throws(CloudletError) -> [HashRecord] {
        let bytes = try buckets[bucket].read(sizes[bucket], at: 0)
        var records: [HashRecord] = []
        records.reserveCapacity(bytes.count / HashRecord.byteCount)
        for start in stride(from: 0, to: bytes.count, by: HashRecord.byteCount) {
            if let record = HashRecord(bytes.span.extracting(start..<start + HashRecord.byteCount)) {
                records.append(record)
            }
        }
        return records
    }
}
