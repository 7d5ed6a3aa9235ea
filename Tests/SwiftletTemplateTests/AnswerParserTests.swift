import SwiftletTemplate
import Testing

@Suite struct AnswerParserTests {
    struct Case: Sendable {
        let style: CallStyle
        let answer: String
        var isThinking = false
        var content = ""
        var reasoning = ""
        /// Names, identifiers and arguments.
        var calls: [[String]] = []
    }

    static let cases: [Case] = [
        Case(style: .none, answer: "Hello <tool_call>", content: "Hello <tool_call>"),
        Case(style: .hermes, answer: "Hi! a < b <tool", content: "Hi! a < b <tool"),
        Case(style: .none, answer: "<think>\nWhy?\n</think>\n\nSo.", content: "So.", reasoning: "Why?"),
        Case(
            style: .none, answer: "Why?\n</think>\nSo.", isThinking: true, content: "So.", reasoning: "Why?"),
        Case(style: .none, answer: "  <think>never ends", reasoning: "never ends"),
        Case(style: .none, answer: "<thin", content: "<thin"),
        Case(style: .none, answer: " text <think>x</think>", content: " text <think>x</think>"),
        Case(
            style: .hermes,
            answer:
                "<think>t</think>Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, {\"b\": \"}\\\"\"}]}}\n"
                + "</tool_call>\n<tool_call>{\"arguments\":{},\"name\":\"g\"}</tool_call>",
            content: "Let me see.", reasoning: "t",
            calls: [["f", "", "{\"a\": [1, {\"b\": \"}\\\"\"}]}"], ["g", "", "{}"]]),
        Case(
            style: .hermes,
            answer: "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"x\\\": 1}\"}</tool_call>",
            calls: [["f", "", "{\"x\": 1}"]]),
        Case(style: .hermes, answer: "<tool_call>{\"name\": \"f\"}</tool_call>", calls: [["f", "", "{}"]]),
        Case(style: .hermes, answer: "<tool_call>no json", content: "<tool_call>no json"),
        Case(style: .hermes, answer: "<tool_call>{\"x\": 1} y", content: "<tool_call>{\"x\": 1} y"),
        Case(
            style: .hermes, answer: "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\"",
            calls: [["f", "", "{\"a\""]]),
        Case(
            style: .mistral,
            answer:
                "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"abcdefghi\"}, {\"id\": \"x\", \"name\": \"g\","
                + " \"arguments\": {}}]",
            calls: [["f", "", "{\"a\": 1}"], ["g", "x", "{}"]]),
        Case(
            style: .llamaJSON, answer: "{\"name\": \"f\", \"parameters\": {\"é\": \"ü\"}}",
            calls: [["f", "", "{\"é\": \"ü\"}"]]),
        Case(
            style: .llamaJSON,
            answer:
                "{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}",
            calls: [["f", "", "{}"], ["g", "", "{}"]]),
        Case(style: .llamaJSON, answer: "{\"a\": 1}", content: "{\"a\": 1}"),
        Case(
            style: .llamaJSON, answer: "Just text {\"name\": \"f\"}", content: "Just text {\"name\": \"f\"}"),
        Case(
            style: .pythonic, answer: "[f(a=1, b='x\\'y', c=[1.5, True, None], d={'k': \"v\"}), g.h()]",
            calls: [
                ["f", "", "{\"a\": 1, \"b\": \"x'y\", \"c\": [1.5, true, null], \"d\": {\"k\": \"v\"}}"],
                ["g.h", "", "{}"],
            ]),
        Case(style: .pythonic, answer: "[1, 2]", content: "[1, 2]"),
        Case(style: .pythonic, answer: "[see below]", content: "[see below]"),
        Case(style: .pythonic, answer: "Hello", content: "Hello"),
        Case(
            style: .functionTag,
            answer: "Well <function=f>{\"a\": \"\\\\\\\"}\"}</function> <function=g>{}</function>",
            content: "Well", calls: [["f", "", "{\"a\": \"\\\\\\\"}\"}"], ["g", "", "{}"]]),
        Case(
            style: .recipient, answer: "all\nHello there.>>>f\n{\"a\": 1}>>>g\n{}", content: "Hello there.",
            calls: [["f", "", "{\"a\": 1}"], ["g", "", "{}"]]),
        Case(
            style: .recipient, answer: "f\n{\"a\": {\"b\": []}}", calls: [["f", "", "{\"a\": {\"b\": []}}"]]),
    ]

    /// However an answer is cut into pieces, the sum of the deltas is the same.
    @Test(arguments: cases.indices, [1, 2, 3, 7, 1_000]) func splitsAnswers(_ index: Int, _ size: Int) {
        let item = Self.cases[index]
        var parser = AnswerParser(style: item.style, isThinking: item.isThinking)
        var deltas: [AnswerDelta] = []
        var rest = item.answer[...]
        while !rest.isEmpty {
            deltas += parser.read(String(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        deltas += parser.finish()
        var content = ""
        var reasoning = ""
        var calls: [[String]] = []
        for delta in deltas {
            switch delta {
            case .content(let text): content += text
            case .reasoning(let text): reasoning += text
            case .call(let index, let name, let id):
                #expect(index == calls.count)
                calls.append([name, id ?? "", ""])
            case .arguments(let index, let text): if calls.indices.contains(index) { calls[index][2] += text }
            }
        }
        #expect(content == item.content, "\(item.answer)")
        #expect(reasoning == item.reasoning, "\(item.answer)")
        #expect(calls == item.calls, "\(item.answer)")
    }

    @Test func streamsArgumentsAsTheyCome() {
        var parser = AnswerParser(style: .hermes)
        #expect(parser.read("<tool_call>{\"name\": \"f\"") == [])
        #expect(
            parser.read(", \"arguments\": {\"a\"") == [
                .call(index: 0, name: "f", id: nil), .arguments(index: 0, "{\"a\""),
            ])
        #expect(parser.read(": 1}") == [.arguments(index: 0, ": 1}")])
        #expect(parser.read("}</tool_call>") == [])
        #expect(parser.finish() == [])
    }

    @Test(arguments: [
        ("{{ '<tool_call>' }}", CallStyle.hermes), ("[TOOL_CALLS]", .mistral), (">>>all", .recipient),
        ("x", .none),
    ]) func recognisesTheStyleOfATemplate(_ template: String, _ style: CallStyle) {
        #expect(CallStyle(template: template) == style)
    }
}
