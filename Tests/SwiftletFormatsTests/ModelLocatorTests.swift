import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@Suite("Finding models")
struct ModelLocatorTests {
    private let directory = TemporaryDirectory()

    private func resolve(_ name: String, _ environment: [String: String]? = nil) throws -> ModelLocation {
        try ModelLocator.resolve(name, environment: environment ?? ["HF_HUB_CACHE": directory.path])
    }

    @Test("takes the paths of files and directories")
    func paths() throws {
        let gguf = directory.write("GGUF", to: "one/model.gguf")
        let blob = directory.write("GGUF", to: "blob")
        let safetensors = directory.write("", to: "two/model.safetensors")
        directory.write("", to: "two/side.gguf")
        #expect(try resolve(gguf) == .gguf(gguf) && resolve(blob) == .gguf(blob))
        #expect(try resolve(directory.path + "/one") == .gguf(gguf))
        #expect(try resolve(safetensors) == .directory(directory.path + "/two"))
        #expect(try resolve(directory.path + "/two").path == directory.path + "/two")
        directory.write("{}", to: "three/tokenizer.json")
        #expect(try resolve(directory.path + "/three") == .directory(directory.path + "/three"))
    }

    @Test("says why a path is no model")
    func wrongPaths() {
        let environment = ["HF_HUB_CACHE": directory.path]
        func expect(_ code: SwiftletError.Code, _ words: String, _ argument: String) {
            expectError(code, words) { try ModelLocator.resolve(argument, environment: environment) }
        }
        expect(.missing, "no .gguf file", directory.makeDirectory("empty"))
        expect(.invalidArgument, "neither a .gguf nor", directory.write("hello", to: "notes.txt"))
        directory.write("", to: "many/a.gguf")
        directory.write("", to: "many/b.gguf")
        expect(.invalidArgument, "a.gguf, b.gguf", directory.path + "/many")
        directory.write("", to: "pair/model.safetensors")
        expect(.invalidArgument, "is not the checkpoint", directory.write("", to: "pair/extra.safetensors"))
        for absent in [
            "/no/such/model", "./x", "../x", "a/b/c", "model.gguf", "org/model.gguf", "x.safetensors", "",
        ] {
            expect(.missing, "there is no file or directory '\(absent)'", absent)
        }
        for name in ["org/..", "org/na me", "org/name@", "org/name@../x", "org/a--b", "a\u{0}b"] {
            expect(.missing, "there is no file or directory", name)
        }
    }

    @Test("finds a downloaded model by name")
    func names() throws {
        let repository = "models--org--name"
        directory.write("abc123\n", to: "\(repository)/refs/main")
        directory.write("def456", to: "\(repository)/refs/refs/pr/1")
        directory.write("GGUF", to: "\(repository)/snapshots/abc123/x.gguf")
        directory.write("{}", to: "\(repository)/snapshots/def456/config.json")
        let snapshots = "\(directory.path)/\(repository)/snapshots"
        #expect(try resolve("org/name") == .gguf("\(snapshots)/abc123/x.gguf"))
        #expect(try resolve("org/name@main") == .gguf("\(snapshots)/abc123/x.gguf"))
        #expect(try resolve("org/name@refs/pr/1") == .directory("\(snapshots)/def456"))
        #expect(try resolve("org/name@def456") == .directory("\(snapshots)/def456"))
        directory.write("{}", to: "models--gpt2/snapshots/aaa/config.json")
        #expect(try resolve("gpt2@aaa").path.hasSuffix("models--gpt2/snapshots/aaa"))
        expectError(.missing, "snapshots/v9", "abc123", "swiftlet pull org/name@v9") {
            try resolve("org/name@v9")
        }
        expectError(.missing, "models--org--absent", "swiftlet pull org/absent`") {
            try resolve("org/absent")
        }
        directory.write("../../x", to: "\(repository)/refs/main")
        expectError(.malformed, "refs/main") { try resolve("org/name") }
    }

    @Test("falls back to the newest snapshot and says so")
    func fallback() throws {
        var notes: [String] = []
        func note(_ text: String) { notes.append(text) }
        let environment = ["HF_HUB_CACHE": directory.path]
        directory.write("{}", to: "models--o--m/snapshots/aaa/config.json")
        let only = try ModelLocator.resolve("o/m", environment: environment, note: note)
        #expect(
            only.path.hasSuffix("snapshots/aaa") && notes.last?.contains("aaa, the only snapshot") == true)
        directory.write("{}", to: "models--o--m/snapshots/bbb/config.json")
        let newest = try ModelLocator.resolve("o/m", environment: environment, note: note)
        #expect(newest.path.hasSuffix("snapshots/bbb") && notes.last?.contains("newest of 2") == true)
        directory.makeDirectory("models--o--empty/snapshots")
        expectError(.missing, "the cache holds nothing") { try resolve("o/empty") }
    }

    @Test("looks for the cache where the environment says")
    func environments() throws {
        let home = directory.path
        for place in ["a", "b/hub", "c/huggingface/hub", ".cache/huggingface/hub", "tilde"] {
            directory.write("{}", to: "\(place)/models--o--m/snapshots/x/config.json")
        }
        func place(_ environment: [String: String]) throws -> String {
            let path = try resolve("o/m@x", environment).path
            return String(path.dropFirst(home.count + 1).dropLast("/models--o--m/snapshots/x".count))
        }
        var environment = ["HOME": home]
        #expect(try place(environment) == ".cache/huggingface/hub")
        environment["XDG_CACHE_HOME"] = home + "/c"
        #expect(try place(environment) == "c/huggingface/hub")
        environment["HF_HOME"] = home + "/b"
        #expect(try place(environment) == "b/hub")
        environment["HF_HUB_CACHE"] = ""
        #expect(try place(environment) == "b/hub")
        environment["HF_HUB_CACHE"] = home + "/a"
        #expect(try place(environment) == "a")
        environment["HF_HUB_CACHE"] = "~/tilde"
        #expect(try place(environment) == "tilde")
        expectError(.missing, "HF_HUB_CACHE") { try resolve("o/m", [:]) }
    }
}
