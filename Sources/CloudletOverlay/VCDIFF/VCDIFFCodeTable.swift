// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The default instruction code table (RFC 3284 §5.6): each of 256 codes stands for one or two instructions.
enum VCDIFFCodeTable {
    enum Operation: Sendable {
        case none
        case add
        case run
        case copy(mode: UInt8)
    }

    struct Instruction: Sendable {
        let operation: Operation
        /// The size in bytes; 0 means that the size follows as an integer.
        let size: UInt8

        static let none = Instruction(operation: .none, size: 0)
    }

    struct Entry: Sendable {
        let first: Instruction
        let second: Instruction
    }

    /// Entry 0 is RUN; then come ADD 0…17, COPY 0 and 4…18 in nine modes, ADD+COPY pairs and COPY+ADD pairs.
    static let entries: [Entry] = {
        var table: [Entry] = []
        func single(_ operation: Operation, _ size: UInt8) {
            table.append(Entry(first: Instruction(operation: operation, size: size), second: .none))
        }
        single(.run, 0)
        for size in UInt8(0)...17 { single(.add, size) }
        for mode in UInt8(0)...8 {
            single(.copy(mode: mode), 0)
            for size in UInt8(4)...18 { single(.copy(mode: mode), size) }
        }
        for mode in UInt8(0)...8 {
            for addSize in UInt8(1)...4 {
                for copySize in UInt8(4)...(mode < 6 ? 6 : 4) {
                    table.append(
                        Entry(
                            first: Instruction(operation: .add, size: addSize),
                            second: Instruction(operation: .copy(mode: mode), size: copySize)))
                }
            }
        }
        for mode in UInt8(0)...8 {
            table.append(
                Entry(
                    first: Instruction(operation: .copy(mode: mode), size: 4),
                    second: Instruction(operation: .add, size: 1)))
        }
        return table
    }()
}

/// The address cache of RFC 3284 §5.1 with the default sizes: four near, three times 256 same. Used for one window.
struct VCDIFFAddressCache: ~Copyable, ~Escapable {
    /// The number of addresses in the same cache, which is in memory of the caller.
    static let sameCount = 3 * 256

    private var near: InlineArray<4, Int> = [0, 0, 0, 0]
    private var nextNear = 0
    private var same: MutableSpan<UInt32>

    /// Creates an empty cache in the memory `same`.
    @_lifetime(copy same)
    init(_ same: consuming MutableSpan<UInt32>) {
        self.same = same
        for index in self.same.indices { self.same[index] = 0 }
    }

    /// Decodes an address; `here` is the current position in source and target together. Modes: 0 absolute, 1 back from
    /// here, 2…5 near, 6…8 same.
    mutating func decode(mode: UInt8, here: Int, _ addresses: inout VCDIFFBytes) throws(VCDIFFError) -> Int {
        let address =
            switch mode {
            case 0: try addresses.readInteger()
            case 1: here - (try addresses.readInteger())
            case 2...5: near[Int(mode) - 2] + (try addresses.readInteger())
            default: Int(same[(Int(mode) - 6) * 256 + Int(try addresses.readByte())])
            }
        guard address >= 0, address < here else { throw .addressOutOfRange }
        near[nextNear] = address
        nextNear = (nextNear + 1) & 3
        // Fits, because it is less than the size of source and target together, which are pages.
        same[address % Self.sameCount] = UInt32(address)
        return address
    }
}
