// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Why bytes are not a valid overlay, and where: in which blob, item and byte.
package struct OverlayFormatError: PublicError, Hashable, Sendable {
    /// What is wrong.
    package let problem: Problem
    /// The number of the item in its blob, from 0.
    package var item: Int?
    /// The offset in the decompressed blob or in the meta file.
    package var byte: Int?

    /// Creates an error.
    package init(_ problem: Problem, item: Int? = nil, byte: Int? = nil) {
        self.problem = problem
        self.item = item
        self.byte = byte
    }

    /// What can be wrong with an overlay.
    package enum Problem: Hashable, Sendable {
        /// The meta is not the expected MessagePack value.
        case notMessagePack(String)
        /// A key of the meta is missing.
        case missingKey(String)
        /// A key of the meta appears twice.
        case duplicateKey(String)
        /// A value of the meta is not valid.
        case badValue(String)
        /// A blob's name is not a plain file name.
        case badName(String)
        /// Two blobs have the same name.
        case duplicateName(String)
        /// A chunk is listed twice.
        case duplicateChunk(OverlayImage, Int)
        /// A chunk number is past the end of the image.
        case chunkOutOfRange(OverlayImage, Int)
        /// An item's offset is not a multiple of 4096, or past the end of the image.
        case badOffset(UInt64)
        /// An item's length is not that of the page it describes.
        case badLength(Int, expected: Int)
        /// An item's type byte names no image.
        case unknownImage(UInt8)
        /// An item's type byte names no kind.
        case unknownKind(UInt8)
        /// The length of a payload is not valid.
        case badPayloadLength(UInt64)
        /// A reference is outside the base.
        case referenceOutOfRange(OverlayImage, UInt64)
        /// A reference is not aligned as its kind requires.
        case referenceUnaligned(OverlayImage, UInt64)
        /// A reference names an item that does not precede it in the same blob.
        case selfReferenceUnknown(UInt64)
        /// A reference names an item whose page has another length.
        case selfReferenceLength(UInt64, Int, expected: Int)
        /// The meta does not list the page for this blob.
        case unlistedChunk(OverlayImage, Int)
        /// The blob contains the page twice.
        case repeatedChunk(OverlayImage, Int)
        /// The blob ends inside an item.
        case truncatedItem
        /// The blob lacks this many of the pages listed for it.
        case missingChunks(Int)
        /// A patch is not valid VCDIFF for its page.
        case badPatch(String)
    }
}

extension OverlayFormatError: CustomStringConvertible {
    /// A sentence with item and byte.
    package var description: String {
        var location = ""
        if let item { location += "item \(item), " }
        if let byte { location += "byte \(byte), " }
        return location.isEmpty ? problemText : location.dropLast(2) + ": " + problemText
    }

    private var problemText: String {
        switch problem {
        case .notMessagePack(let text): text
        case .missingKey(let key): "the key '\(key)' is missing"
        case .duplicateKey(let key): "the key '\(key.displayable(limit: 60))' appears twice"
        case .badValue(let text): text
        case .badName(let name): "'\(name.displayable(limit: 60))' is not a plain file name"
        case .duplicateName(let name): "two blobs are named '\(name.displayable(limit: 60))'"
        case .duplicateChunk(let image, let chunk): "\(image) chunk \(chunk) is listed twice"
        case .chunkOutOfRange(let image, let chunk): "\(image) chunk \(chunk) is past the end of the image"
        case .badOffset(let offset): "offset \(offset) is not the start of a page of the image"
        case .badLength(let length, let expected): "the length is \(length), but the page has \(expected) bytes"
        case .unknownImage(let value): "type \(value) is neither memory nor disk"
        case .unknownKind(let value): "0x\(String(value, radix: 16)) is not a kind of delta item"
        case .badPayloadLength(let length): "a payload of \(length) bytes is not valid"
        case .referenceOutOfRange(let image, let offset):
            "a reference to byte \(offset) of the base \(image) is out of range"
        case .referenceUnaligned(let image, let offset):
            "a reference to byte \(offset) of the base \(image) is not aligned"
        case .selfReferenceUnknown(let index): "a reference to item \(index), which does not precede it in this blob"
        case .selfReferenceLength(let index, let length, let expected):
            "a reference to item \(index), whose page has \(length) bytes instead of \(expected)"
        case .unlistedChunk(let image, let chunk): "\(image) chunk \(chunk) is not listed for this blob"
        case .repeatedChunk(let image, let chunk): "\(image) chunk \(chunk) occurs twice"
        case .truncatedItem: "the blob ends inside an item"
        case .missingChunks(let count): "the blob ends, but \(count) of its listed chunks are missing"
        case .badPatch(let text): "a patch is damaged: \(text)"
        }
    }
}

extension OverlayFormatError {
    /// The error as a `CloudletError` with the name of the blob or file concerned.
    package func located(in name: String) -> CloudletError {
        CloudletError(
            .badData, "the overlay is damaged in \(name.displayable(limit: 80))",
            advice: "copy or create the overlay again", cause: self)
    }
}
