import ArgumentParser
import Foundation
import SwiftletCache
import SwiftletEngine

/// Several values of one flag, as llama-bench reads them: `1,2,8`, `1-4`, `512-2048+512` or `512-4096*2`.
enum BenchValues {
    private static let limit = 1_000

    /// - Throws: a sentence that follows the flag and its value.
    static func integers(_ text: String) throws -> [Int] {
        var values: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            values += try range(part)
            guard values.count <= limit else { throw ValidationError("expected at most \(limit) values") }
        }
        return values
    }

    private static func range(_ text: Substring) throws -> [Int] {
        guard let dash = text.firstIndex(of: "-"), dash != text.startIndex else { return [try number(text)] }
        var rest = text[text.index(after: dash)...]
        var step: (Int) -> (partialValue: Int, overflow: Bool) = { $0.addingReportingOverflow(1) }
        if let sign = rest.firstIndex(where: { "+*".contains($0) }) {
            let amount = try number(rest[rest.index(after: sign)...])
            let isProduct = rest[sign] == "*"
            guard amount >= (isProduct ? 2 : 1) else { throw ValidationError("expected a range that grows") }
            step =
                isProduct
                ? { $0.multipliedReportingOverflow(by: amount) } : { $0.addingReportingOverflow(amount) }
            rest = rest[..<sign]
        }
        let (first, last) = (try number(text[..<dash]), try number(rest))
        guard first <= last else {
            throw ValidationError("expected a range that begins with its least value")
        }
        var values = [first]
        while let value = values.last, values.count <= limit {
            let (next, overflow) = step(value)
            guard !overflow, next <= last, next > value else { break }
            values.append(next)
        }
        return values
    }

    private static func number(_ text: Substring) throws -> Int {
        guard let value = Int(text), value >= 0 else {
            throw ValidationError("expected whole numbers, such as 512 or 128,512 or 128-512+128")
        }
        return value
    }

    /// Pairs of a prompt and a generation: `512,128`.
    static func pair(_ text: String) throws -> BenchmarkTest {
        let values = try text.split(separator: ",", omittingEmptySubsequences: false).map(number)
        guard values.count == 2 else { throw ValidationError("expected two numbers, such as 512,128") }
        return BenchmarkTest(promptTokens: values[0], generatedTokens: values[1])
    }

    /// One of a few words.
    static func word<Word: RawRepresentable<String> & CaseIterable>(_ text: String) throws -> Word {
        guard let word = Word(rawValue: text) else {
            throw ValidationError("expected \(Word.allCases.map(\.rawValue).joined(separator: " or "))")
        }
        return word
    }

    /// Names separated by commas.
    static func names(_ text: String) -> [String] {
        text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    /// Policies separated by commas. Settings are separated by commas, too: what has a `=` before any `:` or `+`
    /// is one of those.
    static func policies(_ text: String) -> [String] {
        var all: [String] = []
        for part in names(text) {
            let isSetting = part.first { "=:+".contains($0) } == "="
            if let last = all.last, isSetting || last.hasSuffix("\\") {
                all[all.count - 1] = last + "," + part
            } else {
                all.append(part)
            }
        }
        return all
    }

    /// Model names separated by commas; a name that is a file as it stands is one name.
    static func models(_ text: String) -> [String] {
        FileManager.default.fileExists(atPath: text) ? [text] : names(text)
    }
}

/// What one run of the model is set to.
struct BenchSetting: Hashable {
    let threads: Int?
    let batchSize: Int
    let cacheFormat: KVFormat
}

/// The form of the output.
enum BenchOutput: String, CaseIterable {
    case md, json, csv
}
