import SwiftletFormats
public import SwiftletTensor

/// Cases in a file of JSON lines: one object a line, empty lines between them.
///
/// Members: `context`, `question` (or `input`), `answers` (a list, or one text; or `answer`), `metric`, and
/// optionally `id` (or `_id`), `task` (or `dataset`), `match` (`any` or `all`), `max_tokens`, `length` and `depth`.
/// Others are ignored, so that the lines of LongBench can be read as they are.
public struct TaskFile: Sendable {
    /// A line that is no case.
    public struct BadLine: Hashable, Sendable {
        /// Its number, from 1.
        public let number: Int
        /// Why, with file and line.
        public let message: String
    }

    /// The cases, in the order of the file.
    public private(set) var cases: [TaskCase] = []
    /// Lines that were skipped.
    public private(set) var badLines: [BadLine] = []

    /// Reads cases.
    ///
    /// - Parameters:
    ///   - bytes: the file.
    ///   - name: what errors call it.
    ///   - metric: of cases that name none.
    ///   - skipsBad: whether lines that are no case are skipped and counted.
    /// - Throws: `.malformed` for the first line that is no case, with its number and the reason; for a file without
    ///   any case.
    public init(
        _ bytes: [UInt8], named name: String, metric: AnswerMetric? = nil, skipsBad: Bool = false
    ) throws(SwiftletError) {
        var ids: [String: Int] = [:]
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]  // some editors begin UTF-8 with it
        let lines = bytes.dropFirst(bytes.starts(with: mark) ? mark.count : 0).split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            guard line.contains(where: { ![0x20, 0x09, 0x0D].contains($0) }) else { continue }
            let place = TaskLine.Place(file: name, number: index + 1)
            do throws(SwiftletError) {
                let found = try TaskLine(Array(line), at: place).taskCase(metric: metric)
                if let first = ids.updateValue(place.number, forKey: found.id) {
                    throw place.problem(
                        "id '\(found.id)' was used on line \(first) before; give each case its own")
                }
                cases.append(found)
            } catch {
                guard skipsBad else { throw error }
                badLines.append(BadLine(number: place.number, message: error.message))
            }
        }
        guard cases.isEmpty else { return }
        throw SwiftletError(
            .malformed,
            badLines.isEmpty
                ? "\(name) holds no case; expected one JSON object a line with context, question and answers"
                : "\(name) holds no case: all of its \(badLines.count) lines are bad; the first: "
                    + (badLines.first?.message ?? ""))
    }

    /// Cases as JSON lines that ``init(_:named:metric:skipsBad:)`` reads.
    public static func lines(_ cases: [TaskCase]) -> String {
        cases.map { $0.json + "\n" }.joined()
    }
}

extension TaskCase {
    /// One line of a file of cases, without its end.
    fileprivate var json: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("id", id)
            writer.member("task", task)
            writer.member("context", context)
            writer.member("question", question)
            writer.key("answers")
            writer.array { writer in for answer in answers { writer.value(answer) } }
            writer.member("match", needsAll ? "all" : "any")
            writer.member("metric", metric.rawValue)
            writer.member("max_tokens", maxTokens)
            if let length { writer.member("length", length) }
            if let depth { writer.member("depth", depth) }
        }
        return writer.text
    }
}
