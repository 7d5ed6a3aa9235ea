extension JSON {
    /// Elements of an array or members of an object; 0 for a scalar.
    public var count: Int { Int(node.count) }

    /// The value of a member, or `nil` if there is none or this is not an object; the last of duplicates
    /// wins.
    ///
    /// Keys are compared byte by byte.
    /// - Complexity: linear in the number of members; to look up many keys, walk ``members`` once.
    public subscript(key: String) -> JSON? {
        guard node.tag == .object else { return nil }
        var key = key
        return key.withUTF8 { wanted in
            var found: JSON?
            for (name, value) in members {
                if name.withUTF8({ $0.elementsEqual(wanted) }) == true { found = value }
            }
            return found
        }
    }

    /// An element of an array, or `nil` if it is out of range or this is not an array.
    ///
    /// - Complexity: linear in `index`; to visit all, walk ``elements``.
    public subscript(index: Int) -> JSON? {
        guard node.tag == .array, index >= 0, index < count else { return nil }
        return elements.dropFirst(index).first { _ in true }
    }

    /// The elements of an array in order; empty for anything else.
    public var elements: Elements { Elements(parent: self) }

    /// The members of an object in document order, duplicates included; empty for anything else.
    public var members: Members { Members(parent: self) }

    private func children(of tag: JSONNode.Tag) -> Cursor {
        Cursor(document: document, index: index + 1, remaining: node.tag == tag ? count : 0)
    }

    /// Steps from sibling to sibling.
    struct Cursor {
        let document: JSONDocument
        var index: Int
        var remaining: Int

        mutating func step() -> JSON {
            let node = document.nodes[index]
            defer { index = node.tag == .array || node.tag == .object ? Int(node.extent) : index + 1 }
            return JSON(document: document, index: index)
        }
    }

    /// The elements of an array.
    public struct Elements: Sequence, Sendable {
        let parent: JSON

        /// Starts at the first element.
        public func makeIterator() -> Iterator { Iterator(cursor: parent.children(of: .array)) }

        /// A position between elements.
        public struct Iterator: IteratorProtocol {
            var cursor: Cursor

            /// The next element.
            public mutating func next() -> JSON? {
                guard cursor.remaining > 0 else { return nil }
                cursor.remaining -= 1
                return cursor.step()
            }
        }
    }

    /// The members of an object.
    public struct Members: Sequence, Sendable {
        let parent: JSON

        /// Starts at the first member.
        public func makeIterator() -> Iterator { Iterator(cursor: parent.children(of: .object)) }

        /// A position between members.
        public struct Iterator: IteratorProtocol {
            var cursor: Cursor

            /// The next member; the key is a string value.
            public mutating func next() -> (key: JSON, value: JSON)? {
                guard cursor.remaining > 0 else { return nil }
                cursor.remaining -= 1
                let key = cursor.step()
                return (key, cursor.step())
            }
        }
    }
}
