// Tokenizes many texts in one process, for the scripts that compare Swiftlet with other libraries and time it.
//
// usage: tokenizer-tool tokenize -m MODEL --lines [--no-special] [--no-parse-special] < LINES
//        tokenizer-tool detokenize -m MODEL --lines [--no-special] < LINES
//        tokenizer-tool time -m MODEL FILE BYTES
//
// MODEL is a directory or a .gguf file. A line is JSON: a string, or a list of bytes or ids; the answer is one line of
// ids or a string. `time` cuts FILE into texts of about BYTES bytes (0: one text), encodes all of them and prints the
// number of ids and the seconds of processor time.

import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletText

struct Tool {
    let arguments = Array(CommandLine.arguments.dropFirst())

    func run() throws {
        guard let verb = arguments.first, let place = arguments.firstIndex(of: "-m"),
            place + 1 < arguments.count
        else {
            throw SwiftletError(.invalidArgument, "usage: tokenizer-tool tokenize|detokenize|time -m MODEL …")
        }
        let model = arguments[place + 1]
        let tokenizer =
            model.hasSuffix(".gguf")
            ? try Tokenizer.load(gguf: GGUFFile(path: model)) : try Tokenizer.load(directory: model)
        switch verb {
        case "tokenize": try eachLine { Array(ids(of: try text($0), tokenizer).utf8) }
        case "detokenize":
            let skips = arguments.contains("--no-special")
            try eachLine { line in
                let ids = line.elements.compactMap { $0.int.flatMap { TokenID(exactly: $0) } }
                let text: String = tokenizer.decode(ids, skipSpecial: skips)
                return Array(try JSONEncoder().encode([text]).dropFirst().dropLast())
            }
        default: try time(tokenizer, Array(arguments.dropFirst(place + 2)))
        }
    }

    private func eachLine(_ body: (JSON) throws -> [UInt8]) throws {
        var output = Data()
        for line in FileHandle.standardInput.readDataToEndOfFile().split(separator: 0x0A) {
            output.append(contentsOf: try body(JSON.parse(Array(line), source: "a line")))
            output.append(0x0A)
        }
        FileHandle.standardOutput.write(output)
    }

    private func text(_ line: JSON) throws -> [UInt8] {
        line.bytes ?? line.elements.compactMap { $0.int.flatMap { UInt8(exactly: $0) } }
    }

    private func ids(of text: [UInt8], _ tokenizer: Tokenizer) -> String {
        let ids = tokenizer.encode(
            text, addSpecial: !arguments.contains("--no-special"),
            parseSpecial: !arguments.contains("--no-parse-special"))
        return "[\(ids.map(String.init).joined(separator: ","))]"
    }

    private func time(_ tokenizer: Tokenizer, _ rest: [String]) throws {
        guard rest.count == 2, let size = Int(rest[1]) else {
            throw SwiftletError(.invalidArgument, "usage: tokenizer-tool time -m MODEL FILE BYTES")
        }
        let file = [UInt8](try Data(contentsOf: URL(filePath: rest[0])))
        var texts: [String] = []
        var start = 0
        while start < file.count {
            var end = size == 0 ? file.count : min(start + size, file.count)
            while end < file.count, file[end] & 0xC0 == 0x80 { end += 1 }
            texts.append(String(decoding: file[start..<end], as: UTF8.self))
            start = end
        }
        let begin = clock()
        let count = texts.reduce(0) { $0 + tokenizer.encode($1, addSpecial: false).count }
        print(count, Double(clock() - begin) / Double(CLOCKS_PER_SEC))
    }
}

do { try Tool().run() } catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit(1)
}
