import ArgumentParser
import SwiftletEngine

/// The root of all commands.
struct Swiftlet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet",
        abstract: "Run language models on the CPU, from GGUF files and Hugging Face directories.",
        discussion: """
            Without -m, every command uses the small model that is built in, so that all of this works at once:

              swiftlet run "Once upon a time"
              swiftlet chat
              swiftlet tokenize "Hello, world"
              swiftlet inspect

            With -m, name a GGUF file, a Hugging Face directory, or a model in the local hub cache:

              swiftlet run -m model.gguf -p "Once upon a time" -n 100 --temp 0
              swiftlet pull HuggingFaceTB/SmolLM2-135M
              swiftlet run -m HuggingFaceTB/SmolLM2-135M "The capital of France is"

            Results go to standard output, everything else to standard error. Exit status: 0 done; 64 wrong \
            flags or values; 65 a file is damaged or not supported; 66 a file or model cannot be found or \
            read; 69 the context or the memory is too small; 74 output cannot be written; 75 a server is not there \
            now; 130 ended by Ctrl-C.

            Shell completion:

              swiftlet --generate-completion-script bash > /etc/bash_completion.d/swiftlet
              swiftlet --generate-completion-script zsh > "${fpath[1]}/_swiftlet"
              cd ~/.config/fish/completions
              swiftlet --generate-completion-script fish > swiftlet.fish
            """,
        version: Release.name,
        subcommands: [
            Run.self, Chat.self, Serve.self, Tokenize.self, Detokenize.self, Inspect.self, Logits.self,
            Bench.self, Pull.self, Cache.self, Convert.self, Quantize.self, Synth.self, KV.self, Eval.self,
            Plan.self,
            Doctor.self,
        ])
}
