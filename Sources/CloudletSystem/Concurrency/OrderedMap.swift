package import CloudletCore

/// Transforms units of work on a pool, a bounded number at once, and hands the results over in the order of the units:
/// the shape of every stage that reads, computes on all cores and writes.
///
/// Only so many units are under way or waiting for their turn, so memory stays bounded by the size of a unit. The first failure cancels the rest and is thrown; so is cancellation, as `CloudletError.interrupted`.
/// - Parameters:
///   - units: what is to be done, drawn as room becomes free.
///   - pool: the threads that run `transform`.
///   - atOnce: how many units may be under way; one more than the pool has threads unless said otherwise.
///   - transform: does one unit.
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

/// The sub-ranges of `range` of at most `length`, in order, drawn lazily.
@inlinable package func pieces(of range: Range<Int>, length: Int) -> some Sequence<Range<Int>> {
    stride(from: range.lowerBound, to: range.upperBound, by: length).lazy.map {
        $0..<min($0 + length, range.upperBound)
    }
}
