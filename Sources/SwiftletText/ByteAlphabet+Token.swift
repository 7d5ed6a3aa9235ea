extension ByteAlphabet {
    /// Appends the bytes that `text` stands for, or `text` itself if a character of it is not in the alphabet.
    static func appendDecoded(_ text: ArraySlice<UInt8>, to result: inout [UInt8]) {
        let start = result.count
        var isWritten = true
        UTF8Text.forEach(Array(text)) { value in
            if let byte = byte(of: value) { result.append(byte) } else { isWritten = false }
        }
        guard !isWritten else { return }
        result.removeSubrange(start...)
        result.append(contentsOf: text)
    }
}
