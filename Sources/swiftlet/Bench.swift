import ArgumentParser

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure speed and memory, of a model or of a running server.",
        discussion: """
            Without a subcommand, a model is measured: 'swiftlet bench -p 512' is 'swiftlet bench model -p 512'.

              swiftlet bench
              swiftlet bench -m model.gguf -p 512 -n 128 -r 5 -t 1,2
              swiftlet bench model --help
              swiftlet bench serve --url http://127.0.0.1:8080 --concurrency 16
            """,
        subcommands: [BenchModel.self, BenchServe.self], defaultSubcommand: BenchModel.self)
}
