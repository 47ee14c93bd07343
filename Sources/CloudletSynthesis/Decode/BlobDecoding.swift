// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletOverlay
import CloudletSystem
import SystemPackage

/// Decompresses and places the blobs of an overlay on several cores while they arrive. The number of bytes that wait
/// for a core is limited; at the limit, the receiver waits.
struct BlobDecoding {
    let meta: OverlayMeta
    let geometry: OverlayGeometry
    let base: BaseImages
    let targets: PageTargets
    /// Directory for blobs that can only be decoded when they are complete.
    var scratch = File.temporaryDirectory
    var waitingBytes = 2 << 20
    /// The indices of blobs that are not decoded: they need not arrive, and are dropped if they do.
    var unneeded: Set<Int> = []

    /// A blob on its way from the receiver to a decoder.
    private struct Job: Sendable {
        let blob: OverlayMeta.Blob
        let pieces: AsyncThrowingStream<[UInt8], any Error>
    }

    /// Takes each needed blob of the meta once from `source`, and reports each piece that arrives to `progress`.
    func run<Source: AsyncSequence & Sendable>(
        _ source: Source, progress: @escaping @Sendable (SynthesisProgress) -> Void
    ) async throws(CloudletError) -> OverlayStatistics where Source.Element == BlobPiece {
        let budget = AsyncSemaphore(waitingBytes)
        let (jobs, feed) = AsyncStream.makeStream(of: Job.self)
        do {
            return try await withThrowingTaskGroup(of: OverlayStatistics.self) { group in
                group.addTask {
                    defer { feed.finish() }
                    try await receive(source, budget, feed, progress)
                    return OverlayStatistics()
                }
                let pool = WorkerPool.shared
                let queue = JobQueue(jobs)
                for _ in 0..<pool.width {
                    group.addTask(executorPreference: pool) {
                        var statistics = OverlayStatistics()
                        var decoder: Decompressor?
                        while let job = await queue.next() {
                            statistics.add(try await decode(job, budget, &decoder))
                        }
                        return statistics
                    }
                }
                var total = OverlayStatistics()
                do {
                    for try await statistics in group { total.add(statistics) }
                } catch {
                    // Cancel all tasks: none may keep waiting for bytes that no other task takes or releases any more.
                    group.cancelAll()
                    feed.finish()
                    throw error
                }
                return total
            }
        } catch is CancellationError {
            throw CloudletError(.interrupted, "interrupted while receiving the overlay")
        } catch {
            throw .wrapping(error, .io, "can't receive the overlay")
        }
    }

    private func receive<Source: AsyncSequence & Sendable>(
        _ source: Source, _ budget: AsyncSemaphore, _ feed: AsyncStream<Job>.Continuation,
        _ progress: @Sendable (SynthesisProgress) -> Void
    ) async throws where Source.Element == BlobPiece {
        var seen = Set<Int>()
        // An unneeded blob has no stream.
        var current: (index: Int, pieces: AsyncThrowingStream<[UInt8], any Error>.Continuation?, bytes: Int)?
        do {
            for try await piece in source {
                switch piece {
                case .begin(let index):
                    guard current == nil, meta.blobs.indices.contains(index), seen.insert(index).inserted else {
                        throw CloudletError(.protocolViolation, "a blob arrived twice or inside another")
                    }
                    guard !unneeded.contains(index) else {
                        current = (index, nil, 0)
                        continue
                    }
                    let (pieces, continuation) = AsyncThrowingStream.makeStream(of: [UInt8].self)
                    current = (index, continuation, 0)
                    feed.yield(Job(blob: meta.blobs[index], pieces: pieces))
                case .bytes(let bytes):
                    guard let (index, pieces, count) = current, count + bytes.count <= meta.blobs[index].size else {
                        throw CloudletError(.protocolViolation, "more bytes of a blob arrived than the meta announces")
                    }
                    if let pieces {
                        try await budget.acquire(bytes.count)
                        pieces.yield(bytes)
                    }
                    try Task.checkCancellation()
                    current = (index, pieces, count + bytes.count)
                    progress(.received(bytes: bytes.count))
                case .end:
                    guard let (index, pieces, count) = current, count == meta.blobs[index].size else {
                        throw CloudletError(.protocolViolation, "fewer bytes of a blob arrived than the meta announces")
                    }
                    pieces?.finish()
                    current = nil
                }
            }
            seen.formUnion(unneeded)
            guard current == nil, seen.count == meta.blobs.count else {
                try Task.checkCancellation()
                throw CloudletError(
                    .protocolViolation, "only \(seen.count) of \(meta.blobs.count) blobs arrived",
                    advice: "send them again")
            }
        } catch {
            // The decoder of the current blob must report this error, not that bytes are missing.
            current?.pieces?.finish(throwing: error)
            throw error
        }
    }

    /// Decodes one blob. Reuses the decompressor of the previous blob if possible.
    private func decode(
        _ job: Job, _ budget: AsyncSemaphore, _ former: inout Decompressor?
    ) async throws -> OverlayStatistics {
        var running = try BlobInProgress(
            job.blob, BlobApplier(job.blob, geometry: geometry, base: base, targets: targets), reusing: &former)
        var spool: BlobSpool?
        for try await piece in job.pieces {
            try Task.checkCancellation()
            defer { budget.release(piece.count) }
            let taken = spool == nil ? try running.decode(piece.span) : 0
            guard taken < piece.count else { continue }
            if spool == nil { spool = try BlobSpool(in: scratch) }
            try spool?.append(piece.span.extracting(taken..<piece.count))
        }
        if let spool {
            // All bytes of the blob are here, so from now on it needs only processor time.
            try await running.takePermit()
            for part in pieces(of: 0..<spool.count, length: 128 << 10) {
                try Task.checkCancellation()
                let bytes = try spool.read(part)
                _ = try running.decode(bytes.span)
                await Task.yield()
            }
        }
        try Task.checkCancellation()
        return try running.finish(reusable: &former)
    }
}

/// Distributes the elements of one stream to several consumers.
private actor JobQueue<Element: Sendable> {
    private var iterator: AsyncStream<Element>.Iterator
    private var busy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ stream: AsyncStream<Element>) { iterator = stream.makeAsyncIterator() }

    func next() async -> Element? {
        while busy { await withCheckedContinuation { waiting.append($0) } }
        busy = true
        var mine = iterator
        let element = await mine.next(isolation: self)
        iterator = mine
        busy = false
        if !waiting.isEmpty { waiting.removeFirst().resume() }
        return element
    }
}
