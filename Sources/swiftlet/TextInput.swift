import ArgumentParser
import Foundation
import SwiftletTensor

/// A text from the command line, a file or standard input; bytes are taken as they are.
struct TextInput {
    /// - Parameters:
    ///   - given: texts given on the command line, at most one of them present.
    ///   - file: a path, `-` for standard input.
    /// - Throws: if there is no text or more than one.
    static func read(_ given: [String?], file: String?, example: String) throws -> [UInt8] {
        let texts = given.compactMap { $0 }
        guard texts.count + (file == nil ? 0 : 1) <= 1 else {
            throw ValidationError("Give one text only: as an argument, with -p, or with -f.")
        }
        if let text = texts.first { return Array(text.utf8) }
        if let file, file != "-" { return try contents(of: file) }
        if file == nil, isatty(STDIN_FILENO) == 1 {
            throw ValidationError("There is no text; for example: \(example)")
        }
        return try Array(FileHandle.standardInput.readToEnd() ?? Data())
    }

    private static func contents(of path: String) throws -> [UInt8] {
        let file = try MappedFile(path: path)
        return withExtendedLifetime(file) { Array(file.bytes) }
    }
}
