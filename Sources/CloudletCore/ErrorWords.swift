import FoundationEssentials
import Glibc

extension DefaultStringInterpolation {
    /// Puts an error of any type into a text, in words for people: see ``Swift/Error/words``. No place where a text is made of
    /// an error can forget that.
    package mutating func appendInterpolation(_ error: any Error) { appendLiteral(error.words) }
}

extension Error {
    /// What the error says, in words for people, without a final period. Foundation and the standard library describe
    /// theirs for programmers: with Swift's types, codes of domains and errors in errors.
    package var words: String {
        switch self {
        case let error as CloudletError: error.description
        case let error as DecodingError: error.sentence
        case let error as EncodingError: error.sentence
        case is CancellationError: "interrupted"
        default: foundationWords ?? (isDescribed ? String(describing: self).asPart : nameInWords)
        }
    }

    private var isDescribed: Bool {
        let value: Any = self
        return value is any CustomStringConvertible || value is any CustomDebugStringConvertible
    }

    /// What Foundation says of the innermost of its errors: the system's reason, where there is one; `nil` for others'.
    private var foundationWords: String? {
        if let error = self as? POSIXError { return unsafe String(cString: strerror(error.code.rawValue)) }
        if let inner = (self as? CocoaError)?.underlying { return inner.words }
        // The rest of Foundation, with NSError, is not in every program; what such an error says of itself is.
        let text = String(describing: self)
        guard text.hasPrefix("Error Domain="),
            var sentence = text.matches(of: /Error Domain=\S+ Code=-?\d+ "(.*?)"/).last?.1
        else { return nil }
        if sentence == "(null)", let own = text.firstMatch(of: /NSLocalizedDescription=(.*?)(?:, NS\w+=|}$)/)?.1 {
            sentence = own
        }
        let reason = sentence.wholeMatch(of: /The operation could not be completed\. (.+)/)?.1 ?? sentence
        return String(reason.wholeMatch(of: /\((.+)\)/)?.1 ?? reason).asPart
    }

    /// The name of an error that has no description, as `connectTimeout`, in words.
    private var nameInWords: String {
        let text = String(describing: self)
        let name = text.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        guard !name.isEmpty else { return text }
        return String(name).replacing(/([a-z0-9])([A-Z])/) { "\($0.1) \($0.2.lowercased())" }
    }
}

extension DecodingError {
    fileprivate var sentence: String {
        switch self {
        case .keyNotFound(let key, let context): "\(context.codingPath.place(and: key)) is missing"
        case .valueNotFound(_, let context): "\(context.codingPath.place()) has no value"
        case .typeMismatch(_, let context): "\(context.codingPath.place()) is not of the right kind"
        case .dataCorrupted(let context):
            if context.codingPath.isEmpty {
                context.debugDescription.asPart.displayable()
            } else {
                "\(context.codingPath.place()): \(context.debugDescription.asPart.displayable())"
            }
        @unknown default: "the data can't be read"
        }
    }
}

extension EncodingError {
    fileprivate var sentence: String {
        switch self {
        case .invalidValue(_, let context): "\(context.codingPath.place()) can't be written"
        @unknown default: "the data can't be written"
        }
    }
}

extension [any CodingKey] {
    /// A place in data, as `'memory.slots.2'`. Its names may come from whoever made the data.
    fileprivate func place(and last: (any CodingKey)? = nil) -> String {
        let keys = self + (last.map { [$0] } ?? [])
        guard !keys.isEmpty else { return "the whole" }
        let path = keys.map { key in key.intValue.map { String($0) } ?? key.stringValue }.joined(separator: ".")
        return "'\(path.displayable(limit: 100))'"
    }
}

extension String {
    /// A sentence as a part of another one: without its capital and its period. What is no sentence stays as it is.
    fileprivate var asPart: String {
        guard hasSuffix("."), !hasSuffix("..") else { return self }
        let isName = dropFirst().first?.isLowercase != true
        return (isName ? String(prefix(1)) : prefix(1).lowercased()) + dropFirst().dropLast()
    }
}
