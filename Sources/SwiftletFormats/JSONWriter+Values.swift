extension JSONWriter {
    /// Writes a value that was read; numbers that are not finite become `null`.
    public mutating func value(_ json: JSON) {
        switch json.kind {
        case .null: null()
        case .bool: value(json.bool ?? false)
        case .number:
            if let int = json.int { value(int) } else { value(json.double ?? .nan) }
        case .string: value(json.string ?? "")
        case .array: array { writer in for element in json.elements { writer.value(element) } }
        case .object:
            object { writer in
                for (key, element) in json.members {
                    writer.key(key.string ?? "")
                    writer.value(element)
                }
            }
        }
    }
}
