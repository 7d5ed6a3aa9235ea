import ArgumentParser

struct Eval: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure what a model knows, and what a cache policy costs it.",
        subcommands: [
            EvalPerplexity.self, EvalDivergence.self, EvalCalibration.self, EvalNeedle.self,
            EvalTasks.self, EvalCompare.self,
        ])
}
