import SwiftletTensor

/// The checked header of one safetensors file: a length, a JSON object, and data that it covers without gaps.
struct SafetensorsHeader {
    /// One tensor; `range` counts from the start of the file.
    struct Entry: Sendable {
        let type: SafetensorsType
        let shape: [Int]
        let range: Range<Int>
    }

    /// The longest header that readers agree to accept, in bytes.
    static let maximumLength = 100_000_000

    private(set) var metadata: [String: String] = [:]
    private(set) var entries: [String: Entry] = [:]
    /// Tensor names in the order of their data.
    private(set) var names: [String] = []
    private let path: String

    /// Whether the data of all tensors is there.
    private(set) var holdsData = true

    /// - Parameter headerOnly: whether the file may end before the data of its tensors does.
    init(_ file: MappedFile, headerOnly: Bool = false) throws(SwiftletError) {
        path = file.path
        let bytes = file.bytes
        let length = try Self.headerLength(bytes, path: path)
        let text = UnsafeRawBufferPointer(rebasing: bytes[8..<8 + length])
        guard text.first == UInt8(ascii: "{") else {
            throw SwiftletError(
                .malformed, "\(path): the header does not start with '{', expected a JSON object")
        }
        let json = try JSON.parse(text, owner: file, source: "\(path) (header)")
        for (key, value) in json.members {
            let name = key.string ?? ""
            if name == "__metadata__" {
                try readMetadata(value)
            } else {
                let entry = try readEntry(
                    name, value, dataStart: 8 + length,
                    dataCount: (headerOnly ? Int.max : bytes.count) - 8 - length)
                guard entries.updateValue(entry, forKey: name) == nil else {
                    throw problem("tensor '\(name)' appears twice")
                }
            }
        }
        let end = entries.values.reduce(8 + length) { max($0, $1.range.upperBound) }
        holdsData = end <= bytes.count
        try checkCoverage(from: 8 + length, to: holdsData ? bytes.count : end)
    }

    private static func headerLength(_ bytes: UnsafeRawBufferPointer, path: String) throws(SwiftletError)
        -> Int
    {
        guard bytes.count >= 8 else {
            throw SwiftletError(
                .malformed,
                "\(path): \(bytes.count) bytes, expected a safetensors file of at least 8; download it again")
        }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= maximumLength else {
            throw SwiftletError(
                .malformed,
                "\(path): the header claims \(length) bytes, expected at most \(maximumLength); this is not "
                    + "a safetensors file"
            )
        }
        guard length <= bytes.count - 8 else {
            throw SwiftletError(
                .malformed,
                "\(path): the header claims \(length) bytes, but \(bytes.count - 8) follow; download the "
                    + "file again"
            )
        }
        return Int(length)
    }

    private mutating func readMetadata(_ value: JSON) throws(SwiftletError) {
        guard metadata.isEmpty, value.kind == .object || value.isNull else {
            throw problem("__metadata__ is not one object of strings")
        }
        for (key, value) in value.members {
            guard let text = value.string else {
                throw problem(
                    "__metadata__ holds a \(value.kind) for '\(key.string ?? "")', expected a string")
            }
            guard metadata.updateValue(text, forKey: key.string ?? "") == nil else {
                throw problem("__metadata__ has the key '\(key.string ?? "")' twice")
            }
        }
    }

    private func readEntry(
        _ name: String, _ value: JSON, dataStart: Int, dataCount: Int
    ) throws(SwiftletError) -> Entry {
        guard value.kind == .object else {
            throw problem("tensor '\(name)' is of kind \(value.kind), expected an object")
        }
        let type = SafetensorsType(name: try field("dtype", of: name, value).string ?? "")
        let shape = try sizes("shape", of: name, value)
        let offsets = try sizes("data_offsets", of: name, value)
        guard !type.name.isEmpty else { throw problem("tensor '\(name)' has no name of a type in dtype") }
        guard shape.count <= 64 else {
            throw problem("tensor '\(name)' has \(shape.count) dimensions, limit 64")
        }
        guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= dataCount else {
            throw problem(
                "tensor '\(name)' has data_offsets \(offsets.prefix(4)), expected a start and an end within "
                    + "\(dataCount) bytes"
            )
        }
        let size = offsets[1] - offsets[0]
        if let bits = type.bits {
            let expected = Self.byteCount(shape, bits: bits)
            guard size == expected else {
                throw problem(
                    "tensor '\(name)' of \(type.name) \(shape) has \(size) bytes, expected "
                        + "\(expected.map(String.init) ?? "a whole number that fits memory")"
                )
            }
        }
        return Entry(type: type, shape: shape, range: dataStart + offsets[0]..<dataStart + offsets[1])
    }

    private static func byteCount(_ shape: [Int], bits: Int) -> Int? {
        guard let count = Tensor.elementCount(of: shape) else { return nil }
        let (total, overflow) = count.multipliedReportingOverflow(by: bits)
        return overflow || total % 8 != 0 ? nil : total / 8
    }

    private func field(_ key: String, of name: String, _ value: JSON) throws(SwiftletError) -> JSON {
        let found = value.members.filter { $0.key.string == key }
        guard found.count == 1 else {
            throw problem("tensor '\(name)' has \(found.count) entries '\(key)', expected one")
        }
        return found[0].value
    }

    private func sizes(_ key: String, of name: String, _ value: JSON) throws(SwiftletError) -> [Int] {
        let list = try field(key, of: name, value)
        guard list.kind == .array else {
            throw problem("tensor '\(name)' has a \(list.kind) as \(key), expected an array of integers")
        }
        var sizes: [Int] = []
        for element in list.elements {
            guard let size = element.int, size >= 0 else {
                throw problem("tensor '\(name)' has an entry in \(key) that is not a non-negative integer")
            }
            sizes.append(size)
        }
        return sizes
    }

    /// Sorts ``names`` and checks that the tensors fill the data section: no overlap, no hole, nothing left.
    private mutating func checkCoverage(from start: Int, to end: Int) throws(SwiftletError) {
        let order = entries.sorted {
            ($0.value.range.lowerBound, $0.value.range.upperBound, $0.key)
                < ($1.value.range.lowerBound, $1.value.range.upperBound, $1.key)
        }
        var position = start
        for (name, entry) in order {
            guard entry.range.lowerBound == position else {
                let what =
                    entry.range.lowerBound < position ? "overlaps the tensor before it" : "follows a hole"
                throw problem(
                    "tensor '\(name)' \(what): its data starts at \(entry.range.lowerBound - start), "
                        + "expected \(position - start)"
                )
            }
            position = entry.range.upperBound
        }
        guard position == end else {
            throw problem("\(end - position) bytes follow the last tensor, expected none")
        }
        names = order.map(\.key)
    }

    private func problem(_ what: String) -> SwiftletError {
        SwiftletError(.malformed, "\(path): \(what); download or write the file again")
    }
}
