import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@Suite("Model directories")
struct ModelDirectoryTests {
    private let directory = TemporaryDirectory()

    /// Writes a safetensors file with one number per name.
    private func write(_ file: String, _ tensors: [String: Float]) throws {
        let names = tensors.keys.sorted()
        var writer = try SafetensorsWriter(
            path: directory.path + "/" + file,
            tensors: names.map { .init(name: $0, shape: [1], format: .f32) })
        for name in names { try writer.write(Tensor(shape: [1], floats: [tensors[name] ?? 0])) }
        try writer.finish()
    }

    private func writeIndex(_ map: String) {
        directory.write(
            #"{"metadata":{"total_size":8},"weight_map":\#(map)}"#, to: "model.safetensors.index.json")
    }

    private func checkpoint() throws -> SafetensorsCheckpoint { try .init(directory: directory.path) }

    // MARK: Checkpoints

    @Test("reads one file, whatever an index says")
    func single() throws {
        try write("model.safetensors", ["a": 1])
        try write("other.safetensors", ["a": 2])
        writeIndex(#"{"a":"other.safetensors"}"#)
        #expect(try checkpoint().tensorNames == ["a"])
        #expect(try checkpoint().tensor(named: "a")?.floats() == [1])
        #expect(try checkpoint().tensor(named: "b") == nil)
    }

    @Test("reads the only file of another name")
    func onlyFile() throws {
        try write("weights.safetensors", ["a": 1])
        #expect(try checkpoint().tensorNames == ["a"])
        try write("more.safetensors", ["b": 1])
        expectError(.missing, "more.safetensors, weights.safetensors") { try checkpoint() }
    }

    @Test("reads the files of an index")
    func shards() throws {
        try write("x-1-of-2.safetensors", ["a": 1, "b": 2])
        try write("x-2-of-2.safetensors", ["c": 3])
        writeIndex(#"{"c":"x-2-of-2.safetensors","a":"x-1-of-2.safetensors","b":"x-1-of-2.safetensors"}"#)
        let checkpoint = try checkpoint()
        #expect(checkpoint.files.count == 2 && checkpoint.tensorNames == ["a", "b", "c"])
        #expect(try ["a", "b", "c"].map { try checkpoint.tensor(named: $0)?.floats() } == [[1], [2], [3]])
    }

    @Test("refuses an index that does not match the files")
    func brokenIndex() throws {
        try write("one.safetensors", ["a": 1])
        try write("two.safetensors", ["a": 1, "b": 1])
        writeIndex(#"{"a":"absent.safetensors"}"#)
        expectError(.missing, "absent.safetensors is named by") { try checkpoint() }
        writeIndex(#"{"a":"one.safetensors","z":"one.safetensors"}"#)
        expectError(.missing, "one.safetensors: tensor 'z' is not here") { try checkpoint() }
        writeIndex(#"{"a":"one.safetensors","b":"two.safetensors"}"#)
        expectError(.malformed, "tensor 'a' is also in") { try checkpoint() }
        writeIndex(#"{"b":"two.safetensors","b":"two.safetensors"}"#)
        expectError(.malformed, "tensor 'b' appears twice") { try checkpoint() }
        for path in ["../one.safetensors", "/etc/passwd", "", "a/../../b", ".", "x//y", "a\\u0000b"] {
            writeIndex("{\"a\":\"\(path)\"}")
            expectError(.malformed, "expected the name of a file in this directory") { try checkpoint() }
        }
        writeIndex(#"{"a":7}"#)
        expectError(.malformed, "no file") { try checkpoint() }
        writeIndex("[]")
        expectError(.malformed, "no object 'weight_map'") { try checkpoint() }
    }

    @Test("says what to do when there is nothing to read")
    func noCheckpoint() {
        expectError(.missing, "neither model.safetensors nor model.safetensors.index.json") {
            try checkpoint()
        }
        directory.write("", to: "pytorch_model.bin")
        expectError(.missing, "convert the checkpoint") { try checkpoint() }
        expectError(.unreadable, "cannot be listed") {
            try SafetensorsCheckpoint(directory: "/nowhere/at/all")
        }
    }

    // MARK: Configuration

    @Test("finds the files of a model")
    func files() throws {
        let model = try HuggingFaceDirectory(path: directory.path + "//")
        #expect(model.path == directory.path)
        expectError(.missing, "no config.json") { try model.config() }
        #expect(try model.generationConfig() == nil && model.tokenizerConfig() == nil)
        #expect(model.tokenizerPath == nil && model.sentencePiecePath == nil)
        #expect(try model.chatTemplates().isEmpty)
        directory.write(#"{"hidden_size":8}"#, to: "config.json")
        directory.write(#"{"top_k":50}"#, to: "generation_config.json")
        directory.write("{}", to: "tokenizer.json")
        directory.write("", to: "tokenizer.model")
        #expect(try model.config()["hidden_size"]?.int == 8 && model.generationConfig()?["top_k"]?.int == 50)
        #expect(model.tokenizerPath == directory.path + "/tokenizer.json")
        #expect(model.sentencePiecePath == directory.path + "/tokenizer.model")
        directory.write("[]", to: "config.json")
        expectError(.malformed, "config.json: holds one array") { try model.config() }
        directory.write("{", to: "config.json")
        expectError(.malformed, "config.json: line 1, column 2") { try model.config() }
        expectError(.unreadable, "is not a directory") {
            try HuggingFaceDirectory(path: directory.path + "/config.json")
        }
    }

    @Test("finds chat templates in each place")
    func chatTemplates() throws {
        let model = try HuggingFaceDirectory(path: directory.path)
        directory.write(#"{"chat_template":null}"#, to: "tokenizer_config.json")
        #expect(try model.chatTemplate() == nil)
        directory.write(#"{"chat_template":"T"}"#, to: "tokenizer_config.json")
        #expect(try model.chatTemplate() == "T" && model.chatTemplate(named: "rag") == nil)
        let list = #"[{"name":"default","template":"D"},{"name":"rag","template":"R"}]"#
        directory.write(#"{"chat_template":\#(list)}"#, to: "tokenizer_config.json")
        #expect(try model.chatTemplate() == "D" && model.chatTemplate(named: "rag") == "R")
        directory.write("J", to: "chat_template.jinja")
        directory.write("A", to: "additional_chat_templates/tools.jinja")
        #expect(try model.chatTemplate() == "J" && model.chatTemplate(named: "tools") == "A")
        #expect(try model.chatTemplates().map(\.name) == ["default", "tools", "rag"])
        for wrong in ["7", "{}", "[1]", #"[{"name":"x"}]"#] {
            directory.write(#"{"chat_template":\#(wrong)}"#, to: "tokenizer_config.json")
            expectError(.malformed, "tokenizer_config.json", "chat_template") { try model.chatTemplate() }
        }
    }
}
