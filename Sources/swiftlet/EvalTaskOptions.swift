public import ArgumentParser
import SwiftletEngine
public import SwiftletEval
import SwiftletFormats

/// How cases are put to a model.
struct EvalTaskOptions: ParsableArguments {
    @Option(
        help: """
            agnostic: the cache is compressed before the question is fed, as a later turn; aware: after it.
            """)
    var mode = QuestionMode.agnostic

    @Option(
        help: """
            How prompts are written: chat, plain (Question: … Answer:), or facts (as the built-in model was \
            trained); default: what suits the model.
            """)
    var style: PromptStyle?
}

extension QuestionMode: ExpressibleByArgument {}
extension PromptStyle: ExpressibleByArgument {}
extension GeneratedTask: ExpressibleByArgument {}
extension AnswerMetric: ExpressibleByArgument {
    /// Reads the value of a flag.
    public init?(argument: String) { self.init(named: argument) }
}

extension TaskOutcome {
    /// An object with everything but the context.
    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", taskCase.id)
            writer.member("task", taskCase.task)
            if let length = taskCase.length { writer.member("length", length) }
            if let depth = taskCase.depth { writer.member("depth", depth) }
            writer.member("question", taskCase.question)
            writer.key("answers")
            writer.array { writer in for answer in taskCase.answers { writer.value(answer) } }
            writer.member("match", taskCase.needsAll ? "all" : "any")
            writer.member("metric", taskCase.metric.rawValue)
            writer.member("answer", answer)
            writer.member("score", score)
            writer.member("prompt_tokens", promptTokens)
            writer.member("answer_tokens", answerTokens)
        }
    }
}

extension Bootstrap.Interval {
    /// A share in percent with its interval: `83.3 % (70.0 to 93.3)`.
    var percent: String {
        "\(formatNumber(100 * value, 1)) % (\(formatNumber(100 * low, 1)) to \(formatNumber(100 * high, 1)))"
    }

    /// Members `score`, `low` and `high`.
    func write(to writer: inout JSONWriter) {
        writer.member("score", value)
        writer.member("low", low)
        writer.member("high", high)
    }
}
