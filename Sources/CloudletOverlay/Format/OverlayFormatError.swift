package import CloudletCore

/// Why bytes are not a valid overlay, and where: in which blob, item and byte.
package struct OverlayFormatError: PublicError, Hashable, Sendable {
    /// What is wrong.
    package let problem: Problem
    /// Number of the item in its blob, from 0.
    package var item: Int?
    /// Offset in the decompressed blob, or in the meta file.
    package var byte: Int?

    /// Creates an error.
    package init(_ problem: Problem, item: Int? = nil, byte: Int? = nil) {
        self.problem = problem
        self.item = item
        self.byte = byte
    }

    /// What can be wrong with an overlay.
    package enum Problem: Hashable, Sendable {
        /// The meta is not the MessagePack expected.
        case notMessagePack(String)
        /// A key of the meta is missing.
        case missingKey(String)
        /// A key of the meta stands twice.
        case duplicateKey(String)
        /// A value of the meta is not possible.
        case badValue(String)
        /// A blob's name is not a plain file name.
        case badName(String)
        /// Two blobs have the same name.
        case duplicateName(String)
        /// The same chunk stands in two places of the lists.
        case duplicateChunk(OverlayImage, Int)
        /// A chunk number lies behind the image's end.
        case chunkOutOfRange(OverlayImage, Int)
        /// An item's offset is not a multiple of 4096, or behind the image's end.
        case badOffset(UInt64)
        /// An item's length is not that of the page it describes.
        case badLength(Int, expected: Int)
        /// An item's type byte names no image.
        case unknownImage(UInt8)
        /// An item's type byte names no kind.
        case unknownKind(UInt8)
        /// A payload's length is not possible.
        case badPayloadLength(UInt64)
        /// A reference leads outside the base.
        case referenceOutOfRange(OverlayImage, UInt64)
        /// A reference is not aligned as its kind demands.
        case referenceUnaligned(OverlayImage, UInt64)
        /// A reference to another item whose target did not come before it in the same blob.
        case selfReferenceUnknown(UInt64)
        /// A reference to another item whose page has another length.
        case selfReferenceLength(UInt64, Int, expected: Int)
        /// A page that the meta's lists don't name for this blob.
        case unlistedChunk(OverlayImage, Int)
        /// A page that came already.
        case repeatedChunk(OverlayImage, Int)
        /// The blob ends inside an item.
        case truncatedItem
        /// The blob ended before all pages listed for it came.
        case missingChunks(Int)
        /// A patch is not valid VCDIFF for its page.
        case badPatch(String)
    }
}

extension OverlayFormatError: CustomStringConvertible {
    /// A sentence with item and byte.
    package var description: String {
        var place = ""
        if let item { place += "item \(item), " }
        if let byte { place += "byte \(byte), " }
        return place.isEmpty ? problemText : place.dropLast(2) + ": " + problemText
    }

    private var problemText: String {
        switch problem {
        case .notMessagePack(let text): text
        case .missingKey(let key): "the key '\(key)' is missing"
        case .duplicateKey(let key): "the key '\(key.displayable(limit: 60))' stands twice"
        case .badValue(let text): text
        case .badName(let name): "'\(name.displayable(limit: 60))' is not a plain file name"
        case .duplicateName(let name): "two blobs are named '\(name.displayable(limit: 60))'"
        case .duplicateChunk(let image, let chunk): "\(image) chunk \(chunk) is listed twice"
        case .chunkOutOfRange(let image, let chunk): "\(image) chunk \(chunk) lies behind the image's end"
        case .badOffset(let offset): "offset \(offset) is not that of a page of the image"
        case .badLength(let length, let expected): "length \(length) where the page has \(expected) bytes"
        case .unknownImage(let value): "type \(value) is neither memory nor disk"
        case .unknownKind(let value): "0x\(String(value, radix: 16)) is no kind of delta item"
        case .badPayloadLength(let length): "a payload of \(length) bytes is not possible"
        case .referenceOutOfRange(let image, let offset):
            "a reference to byte \(offset) of the base \(image) leads outside"
        case .referenceUnaligned(let image, let offset):
            "a reference to byte \(offset) of the base \(image) is not aligned"
        case .selfReferenceUnknown(let index): "a reference to item \(index), which did not come before in this blob"
        case .selfReferenceLength(let index, let length, let expected):
            "a reference to item \(index), whose page has \(length) bytes instead of \(expected)"
        case .unlistedChunk(let image, let chunk): "\(image) chunk \(chunk) is not listed for this blob"
        case .repeatedChunk(let image, let chunk): "\(image) chunk \(chunk) comes a second time"
        case .truncatedItem: "the blob ends inside an item"
        case .missingChunks(let count): "the blob ends, but \(count) of its listed chunks did not come"
        case .badPatch(let text): "damaged patch: \(text)"
        }
    }
}

extension OverlayFormatError {
    /// The error as it leaves the engine, with the name of the blob or file it concerns.
    package func located(in name: String) -> CloudletError {
        CloudletError(
            .badData, "overlay is damaged in \(name.displayable(limit: 80))",
            advice: "get or make the overlay anew", cause: self)
    }
}
