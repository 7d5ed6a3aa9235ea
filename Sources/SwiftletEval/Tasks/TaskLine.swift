import SwiftletFormats
import SwiftletTensor

/// One line of a file of cases.
struct TaskLine {
    /// Where it is, for messages.
    struct Place {
        let file: String
        let number: Int

        func problem(_ reason: String) -> SwiftletError {
            SwiftletError(.malformed, "\(file), line \(number): \(reason)")
        }
    }

    private let json: JSON
    private let place: Place
    private static let longestAnswer = 1 << 20  // tokens

    init(_ bytes: [UInt8], at place: Place) throws(SwiftletError) {
        self.place = place
        do {
            json = try JSON.parse(bytes, source: "line")
        } catch {
            throw place.problem("not JSON: " + Self.reason(error.message))
        }
        guard json.kind == .object else {
            throw place.problem("expected an object with context, question and answers, found \(json.kind)")
        }
    }

    /// The parser counts lines of its own, all of which are 1.
    private static func reason(_ message: String) -> String {
        message.replacing("line: line 1, ", with: "")
    }

    func taskCase(metric fallback: AnswerMetric?) throws(SwiftletError) -> TaskCase {
        let context = try text("context", or: nil)
        let question = try text("question", or: "input")
        guard question.contains(where: { !$0.isWhitespace }) || context.contains(where: { !$0.isWhitespace })
        else { throw place.problem("question and context are both empty, so there is nothing to ask") }
        let metric = try metric(fallback)
        let answers = try answers(metric)
        return TaskCase(
            id: try id(), task: try optionalText("task", or: "dataset") ?? "tasks", context: context,
            question: question, answers: answers, needsAll: try needsAll(), metric: metric,
            maxTokens: try integer("max_tokens", in: 1...Self.longestAnswer) ?? TaskCase.defaultMaxTokens,
            length: try integer("length", in: 0...Int.max), depth: try depth())
    }

    // MARK: Members

    private func member(_ name: String, or other: String?) -> (name: String, value: JSON)? {
        for name in [name, other].compactMap({ $0 }) {
            if let value = json[name], !value.isNull { return (name, value) }
        }
        return nil
    }

    private func text(_ name: String, or other: String?) throws(SwiftletError) -> String {
        guard let text = try optionalText(name, or: other) else {
            throw place.problem("'\(name)' is missing; expected a text")
        }
        return text
    }

    private func optionalText(_ name: String, or other: String?) throws(SwiftletError) -> String? {
        guard let (name, value) = member(name, or: other) else { return nil }
        guard let text = value.string else { throw wrong(name, value, expected: "a text") }
        return text
    }

    private func id() throws(SwiftletError) -> String {
        guard let (name, value) = member("id", or: "_id") else { return "line \(place.number)" }
        if let number = value.int { return String(number) }
        guard let text = value.string else { throw wrong(name, value, expected: "a text or a number") }
        return text
    }

    private func metric(_ fallback: AnswerMetric?) throws(SwiftletError) -> AnswerMetric {
        guard let name = try optionalText("metric", or: nil) else {
            if let fallback { return fallback }
            throw place.problem(
                "'metric' is missing; expected one of \(AnswerMetric.names), or --metric for all")
        }
        guard let metric = AnswerMetric(named: name) else {
            throw place.problem(
                "unknown metric '\(name)'\(Spelling.suggestion(for: name, from: AnswerMetric.allCases.map(\.rawValue)))"
                    + "; expected one of \(AnswerMetric.names)")
        }
        return metric
    }

    private func answers(_ metric: AnswerMetric) throws(SwiftletError) -> [String] {
        guard let (name, value) = member("answers", or: "answer") else {
            throw place.problem("'answers' is missing; expected a list of texts")
        }
        var answers: [String] = []
        for element in value.kind == .array ? Array(value.elements) : [value] {
            guard let answer = element.string else { throw wrong(name, element, expected: "texts") }
            answers.append(answer)
        }
        guard !answers.isEmpty else {
            throw place.problem("'\(name)' is empty; expected at least one answer")
        }
        if metric == .contains, answers.contains(where: { AnswerText.contains("", $0) }) {
            throw place.problem(
                "an empty answer is contained in every text; use another metric, or an answer")
        }
        return answers
    }

    private func needsAll() throws(SwiftletError) -> Bool {
        switch try optionalText("match", or: nil) {
        case nil, "any": return false
        case "all": return true
        case let other?: throw place.problem("'match' is '\(other)'; expected 'any' or 'all'")
        }
    }

    private func integer(_ name: String, in range: ClosedRange<Int>) throws(SwiftletError) -> Int? {
        guard let (name, value) = member(name, or: nil) else { return nil }
        guard let number = value.int, range.contains(number) else {
            throw wrong(name, value, expected: "a whole number of \(range.lowerBound) or more")
        }
        return number
    }

    private func depth() throws(SwiftletError) -> Double? {
        guard let (name, value) = member("depth", or: nil) else { return nil }
        guard let number = value.double, (0...1).contains(number) else {
            throw wrong(name, value, expected: "a number from 0 to 1")
        }
        return number
    }

    private func wrong(_ name: String, _ value: JSON, expected: String) -> SwiftletError {
        let found = value.int.map(String.init) ?? value.double.map { "\($0)" } ?? "\(value.kind)"
        return place.problem("'\(name)' is \(found); expected \(expected)")
    }
}
