import CloudletCore

/// Reads the items of one blob and checks what can be checked without the base: each item belongs to a page the meta
/// lists for this blob and comes once, a reference to another item leads to one that came before, and at the end no
/// listed page is missing.
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

    /// Takes the next piece of the decompressed blob and hands over every item it completes, with its payload.
    /// - Throws: `CloudletError.badData` that names blob, item and byte; or what `body` throws.
    mutating func feed(
        _ bytes: Span<UInt8>, _ body: (DeltaItem, Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        do throws(DeltaReadFailure) {
            try reader.feed(bytes) { (item, payload) throws(CloudletError) in
                try Self.arrive(item, &expected)
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

    /// Fails when the blob ended inside an item or before all its pages came.
    func finish() throws(CloudletError) {
        do throws(OverlayFormatError) { try reader.finish() } catch { throw error.located(in: blob.name) }
        let missing = expected.memory.missing + expected.disk.missing
        if missing > 0 { throw located(.missingChunks(missing)) }
    }

    private func located(_ problem: OverlayFormatError.Problem) -> CloudletError {
        OverlayFormatError(problem, item: reader.itemIndex, byte: reader.byteOffset).located(in: blob.name)
    }

    private static func arrive(
        _ item: DeltaItem, _ expected: inout (memory: ExpectedPages, disk: ExpectedPages)
    ) throws(CloudletError) {
        if case .sameAs(let image, let offset) = item.content {
            let pages = image == .memory ? expected.memory : expected.disk
            guard pages.hasArrived(offset / Page.size) else {
                throw ItemProblem.error(.selfReferenceUnknown(UInt64(offset) << 1 | UInt64(image.rawValue)))
            }
        }
        let arrival = item.image == .memory ? expected.memory.arrive(item.page) : expected.disk.arrive(item.page)
        switch arrival {
        case .arrived: break
        case .repeated: throw ItemProblem.error(.repeatedChunk(item.image, item.page))
        case .unknown: throw ItemProblem.error(.unlistedChunk(item.image, item.page))
        }
    }
}

/// Carries a format problem through the consumer's error type until item and byte are added.
struct ItemProblem: PublicError {
    let problem: OverlayFormatError.Problem

    static func error(_ problem: OverlayFormatError.Problem) -> CloudletError {
        CloudletError(.badData, "bad item", cause: ItemProblem(problem: problem))
    }
}

/// The pages a blob must bring, and which have come.
private struct ExpectedPages {
    enum Arrival {
        case arrived
        case repeated
        case unknown
    }

    private let sorted: [UInt32]
    private var arrived: PageSet

    init(_ chunks: [UInt32]) {
        sorted = chunks.sorted()
        arrived = PageSet(bound: chunks.count)
    }

    var missing: Int { sorted.count - arrived.count }

    func hasArrived(_ page: Int) -> Bool { position(of: page).map(arrived.contains) ?? false }

    mutating func arrive(_ page: Int) -> Arrival {
        guard let position = position(of: page) else { return .unknown }
        return arrived.insert(position) ? .arrived : .repeated
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
