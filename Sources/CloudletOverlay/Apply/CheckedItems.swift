// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Reads the items of one blob and checks what can be checked without the base: the meta lists the page of each item for
/// this blob, each page occurs once, a reference to another item names one that precedes it, and no listed page is missing
/// at the end.
struct CheckedItems {
    private let blob: OverlayMeta.Blob
    private var reader: DeltaItemReader
    private var expected: (memory: ExpectedPages, disk: ExpectedPages)

    /// Prepares for a blob.
    init(_ blob: OverlayMeta.Blob, geometry: OverlayGeometry) {
        self.blob = blob
        reader = DeltaItemReader(geometry)
        expected = (ExpectedPages(blob.memoryChunks), ExpectedPages(blob.diskChunks))
    }

    /// Reads the next piece of the decompressed blob and passes each item that it completes to `body`, with its payload.
    /// - Throws: `CloudletError.badData` with blob, item and byte, or the error of `body`.
    mutating func feed(
        _ bytes: Span<UInt8>, _ body: (DeltaItem, Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        do throws(DeltaReadFailure) {
            try reader.feed(bytes) { (item, payload) throws(CloudletError) in
                try Self.check(item, &expected)
                try body(item, payload)
            }
        } catch {
            switch error {
            case .format(let error): throw error.located(in: blob.name)
            case .consumer(let error):
                guard let format = error.cause as? ItemProblem else { throw error }
                throw located(format.problem)
            }
        }
    }

    /// Checks that the blob did not end inside an item and that none of its pages is missing.
    func finish() throws(CloudletError) {
        do throws(OverlayFormatError) { try reader.finish() } catch { throw error.located(in: blob.name) }
        let missing = expected.memory.missing + expected.disk.missing
        if missing > 0 { throw located(.missingChunks(missing)) }
    }

    private func located(_ problem: OverlayFormatError.Problem) -> CloudletError {
        OverlayFormatError(problem, item: reader.itemIndex, byte: reader.byteOffset).located(in: blob.name)
    }

    /// Checks the page and the reference of an item, and marks its page as received.
    private static func check(
        _ item: DeltaItem, _ expected: inout (memory: ExpectedPages, disk: ExpectedPages)
    ) throws(CloudletError) {
        if case .sameAs(let image, let offset) = item.content {
            let pages = image == .memory ? expected.memory : expected.disk
            guard pages.isReceived(offset / Page.size) else {
                throw ItemProblem.error(.selfReferenceUnknown(UInt64(offset) << 1 | UInt64(image.rawValue)))
            }
        }
        let result = item.image == .memory ? expected.memory.receive(item.page) : expected.disk.receive(item.page)
        switch result {
        case .received: break
        case .repeated: throw ItemProblem.error(.repeatedChunk(item.image, item.page))
        case .unknown: throw ItemProblem.error(.unlistedChunk(item.image, item.page))
        }
    }
}

/// Carries a format problem through the error type of the consumer until item and byte are added.
struct ItemProblem: PublicError {
    let problem: OverlayFormatError.Problem

    static func error(_ problem: OverlayFormatError.Problem) -> CloudletError {
        CloudletError(.badData, "an item is not valid", cause: ItemProblem(problem: problem))
    }
}

/// The pages that a blob must contain, and which of them were received.
private struct ExpectedPages {
    enum Receipt {
        case received
        case repeated
        case unknown
    }

    private let sorted: [UInt32]
    private var received: PageSet

    init(_ chunks: [UInt32]) {
        sorted = chunks.sorted()
        received = PageSet(bound: chunks.count)
    }

    var missing: Int { sorted.count - received.count }

    func isReceived(_ page: Int) -> Bool { position(of: page).map(received.contains) ?? false }

    mutating func receive(_ page: Int) -> Receipt {
        guard let position = position(of: page) else { return .unknown }
        return received.insert(position) ? .received : .repeated
    }

    private func position(of page: Int) -> Int? {
        var low = 0
        var high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            if Int(sorted[middle]) < page { low = middle + 1 } else { high = middle }
        }
        return low < sorted.count && Int(sorted[low]) == page ? low : nil
    }
}
