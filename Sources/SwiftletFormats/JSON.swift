public import SwiftletTensor

/// One value of a parsed JSON document.
///
/// A document is its source bytes and a flat list of nodes, so parsing allocates twice, whatever the number
/// of values, and a `JSON` is a reference to one node. Strings are decoded when asked for.
///
/// The grammar is RFC 8259, with three literals added that Python writes into configuration files: `NaN`,
/// `Infinity` and `-Infinity`. Text must be valid UTF-8 and may nest ``maximumDepth`` deep.
///
/// ```swift
/// let config = try JSON.parse(contentsOf: "model/config.json")
/// let layers = config["num_hidden_layers"]?.int ?? 32
/// ```
public struct JSON: Sendable {
    /// How deep arrays and objects may nest.
    public static let maximumDepth = 512

    /// What a value is.
    public enum Kind: String, Sendable {
        case null, bool, number, string, array, object
    }

    let document: JSONDocument
    let index: Int

    var node: JSONNode { document.nodes[index] }

    /// Parses one document, copying `bytes`.
    ///
    /// - Parameters:
    ///   - bytes: UTF-8 text without a byte order mark.
    ///   - source: names the text in errors, usually a path.
    /// - Throws: ``SwiftletError/Code/malformed`` with line, column, what was found and what was expected.
    /// - Complexity: linear in `bytes`; about 16 bytes per value besides the copy.
    public static func parse(_ bytes: UnsafeRawBufferPointer, source: String) throws(SwiftletError) -> JSON {
        let storage = ByteStorage(copying: bytes)
        return try parse(storage.bytes, owner: storage, source: source)
    }

    /// Parses one document from an array, which is copied.
    public static func parse(_ bytes: [UInt8], source: String) throws(SwiftletError) -> JSON {
        let storage = bytes.withUnsafeBytes { ByteStorage(copying: $0) }
        return try parse(storage.bytes, owner: storage, source: source)
    }

    /// Parses a file, which stays mapped while any of its values lives.
    public static func parse(contentsOf path: String) throws(SwiftletError) -> JSON {
        let file = try MappedFile(path: path)
        return try parse(file.bytes, owner: file, source: path)
    }

    /// Parses bytes that `owner` keeps alive and unchanged, without copying them.
    package static func parse(
        _ bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable, source: String
    ) throws(SwiftletError) -> JSON {
        var parser = JSONParser(bytes, source: source)
        try parser.parse()
        return JSON(document: JSONDocument(bytes, owner, source, parser.nodes), index: 0)
    }
}

/// The bytes and nodes that all values of one document share.
final class JSONDocument: Sendable {
    let source: String
    let nodes: ContiguousArray<JSONNode>
    nonisolated(unsafe) let bytes: UnsafeBufferPointer<UInt8>
    private let owner: any AnyObject & Sendable

    init(
        _ bytes: UnsafeRawBufferPointer, _ owner: any AnyObject & Sendable, _ source: String,
        _ nodes: ContiguousArray<JSONNode>
    ) {
        self.bytes = bytes.bindMemory(to: UInt8.self)
        self.owner = owner
        self.source = source
        self.nodes = nodes
    }
}

/// One value in document order; the children of a container follow it, a member being its key and its value.
struct JSONNode: Sendable {
    enum Tag: UInt8 {
        case null, `true`, `false`, number, string, escapedString, array, object
    }

    let tag: Tag
    /// Where the text starts in the source; for strings, after the quote.
    let offset: UInt32
    /// Bytes of text of a scalar, without quotes; for a container, the index of the node after its last
    /// child.
    var extent: UInt32
    /// Elements of an array, members of an object.
    var count: UInt32 = 0
}
