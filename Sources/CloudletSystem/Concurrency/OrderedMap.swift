// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Transforms units of work on a pool, a limited number at once, and passes on the results in the order of the units.
/// Every stage that reads, computes on all cores and writes uses it.
///
/// Only `atOnce` units are being transformed or wait to be consumed, so the memory is limited by the size of a unit.
/// The first failure cancels the rest and is thrown. Cancellation is thrown as `CloudletError.interrupted`.
/// - Parameters:
///   - units: the units; the next one is taken when there is room for it.
///   - pool: the threads that run `transform`.
///   - atOnce: the largest number of units at once; by default one more than the pool has threads.
///   - transform: transforms one unit.
///   - consume: takes the results, one at a time, in order.
/// - Throws: what `transform` or `consume` throws, or `CloudletError.interrupted`.
package func mapInOrder<Unit: Sendable, Output: Sendable>(
    _ units: some Sequence<Unit>, on pool: WorkerPool = .shared, atOnce: Int? = nil,
    _ transform: @escaping @Sendable (Unit) throws(CloudletError) -> Output,
    consume: (Output) throws(CloudletError) -> Void
) async throws(CloudletError) {
    do {
        try await withThrowingTaskGroup(of: (Int, Output).self) { group in
            var iterator = units.makeIterator()
            var started = 0
            var delivered = 0
            var waiting: [Int: Output] = [:]
            func startNext() {
                guard let unit = iterator.next() else { return }
                let number = started
                started += 1
                group.addTask(executorPreference: pool) {
                    if Task.isCancelled { throw CancellationError() }
                    return (number, try transform(unit))
                }
            }
            for _ in 0..<(atOnce ?? pool.width + 1) { startNext() }
            while delivered < started {
                guard let (number, output) = try await group.next() else { break }
                waiting[number] = output
                while let next = waiting.removeValue(forKey: delivered) {
                    try consume(next)
                    delivered += 1
                    startNext()
                }
            }
        }
    } catch is CancellationError {
        throw CloudletError(.interrupted, "interrupted")
    } catch {
        throw .wrapping(error, .defect, "unexpected failure")
    }
}

/// The sub-ranges of `range`, each of at most `length`, in order, computed lazily.
@inlinable package func pieces(of range: Range<Int>, length: Int) -> some Sequence<Range<Int>> {
    stride(from: range.lowerBound, to: range.upperBound, by: length).lazy.map {
        $0..<min($0 + length, range.upperBound)
    }
}
