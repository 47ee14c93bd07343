/// The default instruction code table (RFC 3284 §5.6): each of 256 codes stands for one or two instructions.
enum VCDIFFCodeTable {
    enum Operation: Sendable {
        case none
        case add
        case run
        case copy(mode: Int)
    }

    struct Instruction: Sendable {
        let operation: Operation
        /// 0: the size follows as an integer.
        let size: Int

        static let none = Instruction(operation: .none, size: 0)
    }

    struct Entry: Sendable {
        let first: Instruction
        let second: Instruction
    }

    /// Entry 0 is RUN; then ADD 0…17; COPY 0, 4…18 in nine modes; ADD+COPY pairs; COPY+ADD pairs.
    static let entries: [Entry] = {
        var table: [Entry] = []
        func single(_ operation: Operation, _ size: Int) {
            table.append(Entry(first: Instruction(operation: operation, size: size), second: .none))
        }
        single(.run, 0)
        for size in 0...17 { single(.add, size) }
        for mode in 0...8 {
            single(.copy(mode: mode), 0)
            for size in 4...18 { single(.copy(mode: mode), size) }
        }
        for mode in 0...8 {
            for addSize in 1...4 {
                for copySize in mode < 6 ? 4...6 : 4...4 {
                    table.append(
                        Entry(
                            first: Instruction(operation: .add, size: addSize),
                            second: Instruction(operation: .copy(mode: mode), size: copySize)))
                }
            }
        }
        for mode in 0...8 {
            table.append(
                Entry(
                    first: Instruction(operation: .copy(mode: mode), size: 4),
                    second: Instruction(operation: .add, size: 1)))
        }
        return table
    }()
}

/// The address cache of RFC 3284 §5.1 with the default sizes: four near, three times 256 same.
struct VCDIFFAddressCache {
    private var near: [Int] = [0, 0, 0, 0]
    private var nextNear = 0
    private var same = [Int](repeating: 0, count: 3 * 256)

    /// Forgets all addresses, as at the start of a window.
    mutating func reset() {
        for index in near.indices { near[index] = 0 }
        nextNear = 0
        for index in same.indices { same[index] = 0 }
    }

    /// Remembers an address that was used.
    mutating func update(_ address: Int) {
        near[nextNear] = address
        nextNear = (nextNear + 1) % 4
        same[address % (3 * 256)] = address
    }

    /// The address that `mode` gives; `here` is the current position in source and target together.
    /// Modes: 0 absolute, 1 back from here, 2…5 near, 6…8 same.
    mutating func decode(mode: Int, here: Int, _ addresses: inout VCDIFFBytes) throws(VCDIFFError) -> Int {
        let address =
            switch mode {
            case 0: try addresses.readInteger()
            case 1: here - (try addresses.readInteger())
            case 2...5: near[mode - 2] + (try addresses.readInteger())
            default: same[(mode - 6) * 256 + Int(try addresses.readByte())]
            }
        guard address >= 0, address < here else { throw .addressOutOfRange }
        update(address)
        return address
    }
}
