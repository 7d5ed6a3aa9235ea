import ArgumentParser
import Foundation
import SwiftletTensor

/// A text: as an argument, as an option, from a file or from standard input.
struct TextOptions: ParsableArguments {
    @Argument(help: "The text; default: standard input.") var text: String?

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: ArgumentHelp("The text, as an option.", valueName: "text"))
    var prompt: String?

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: "Read the text from a file; - is standard input.",
        completion: .file())
    var file: String?

    @Flag(
        name: [.short, .long],
        help:
            "Read \\n, \\r, \\t, \\', \\\", \\\\ and \\xHH in the argument or -p as the bytes they stand for."
    )
    var escape = false

    func validate() throws {
        guard [text, prompt, file].compactMap({ $0 }).count <= 1 else {
            throw ValidationError(
                "There is more than one text, expected one: as an argument, with -p, or with -f.")
        }
    }

    /// Whether the text is part of the command line.
    var isTyped: Bool { text != nil || prompt != nil }

    /// The bytes of the text as they are.
    ///
    /// - Parameter example: a command to show where a person gave no text.
    func read(example: String) throws -> [UInt8] {
        if let text = text ?? prompt {
            let bytes = Self.commandLineBytes(of: text)
            return escape ? Self.unescape(bytes) : bytes
        }
        if file == nil, Console.isTyped {
            throw SwiftletError(.invalidArgument, "there is no text; for example: \(example)")
        }
        return try InputFile.read(file ?? "-", flag: "-f")
    }

    /// The bytes of an argument; text that is not UTF-8 reaches us repaired, so the original is looked up.
    private static func commandLineBytes(of text: String) -> [UInt8] {
        guard text.unicodeScalars.contains("\u{FFFD}") else { return Array(text.utf8) }
        for index in 0..<Int(CommandLine.argc) {
            guard let pointer = CommandLine.unsafeArgv[index] else { continue }
            let bytes = UnsafeRawBufferPointer(start: pointer, count: strlen(pointer))
            for start in [0, (bytes.firstIndex(of: UInt8(ascii: "=")) ?? -1) + 1] {
                let rest = bytes[start...]
                if String(decoding: rest, as: UTF8.self) == text { return Array(rest) }
            }
        }
        return Array(text.utf8)
    }

    /// Replaces escape sequences; what is not one stays as it is.
    static func unescape(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let (meaning, length) = escaped(rest) else {
                result.append(byte)
                continue
            }
            result.append(meaning)
            rest = rest.dropFirst(length)
        }
        return result
    }

    /// What the bytes after a backslash stand for, and how many of them do.
    private static func escaped(_ bytes: ArraySlice<UInt8>) -> (byte: UInt8, length: Int)? {
        switch bytes.first {
        case UInt8(ascii: "n"): return (0x0A, 1)
        case UInt8(ascii: "r"): return (0x0D, 1)
        case UInt8(ascii: "t"): return (0x09, 1)
        case let byte? where #"'"\"#.utf8.contains(byte): return (byte, 1)
        case UInt8(ascii: "x"):
            let digits = bytes.dropFirst().prefix(2)
            guard digits.count == 2, digits.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) else {
                return nil
            }
            return UInt8(String(decoding: digits, as: UTF8.self), radix: 16).map { ($0, 3) }
        default: return nil
        }
    }
}

/// Files that are read as a whole, pipes included.
enum InputFile {
    /// - Parameters:
    ///   - path: `-` is standard input.
    ///   - flag: the flag that named the file.
    static func read(_ path: String, flag: String) throws(SwiftletError) -> [UInt8] {
        if path == "-" { return try contents(of: STDIN_FILENO, named: "standard input", flag) }
        try System.checkPath(path)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, flag) }
        defer { close(descriptor) }
        return try contents(of: descriptor, named: path, flag)
    }

    private static func contents(
        of descriptor: Int32, named name: String, _ flag: String
    ) throws(SwiftletError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = buffer.withUnsafeMutableBytes {
                Foundation.read(descriptor, $0.baseAddress, $0.count)
            }
            if count == 0 { return bytes }
            if count > 0 {
                bytes += buffer[..<count]
            } else if errno != EINTR {
                throw failure(name, flag)
            }
        }
    }

    private static func failure(_ name: String, _ flag: String) -> SwiftletError {
        SwiftletError(
            .unreadable,
            "\(name) cannot be read: \(System.message(errno)); \(flag) expects a readable file, or -")
    }
}
