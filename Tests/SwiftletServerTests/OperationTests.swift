import Foundation
import Logging
import SwiftletEngine
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletServer

@Suite struct OperationTests {
    @Test func informationEndpoints() async throws {
        let server = try await TestServer.shared.value
        #expect(try await server.get("/health").json["status"]?.string == "ok")
        #expect(try await server.get("/v1/health/").status == 200)
        let models = try await server.get("/v1/models").json
        #expect(models["object"]?.string == "list" && models.at("data.0.id")?.string == "tales")
        #expect(try await server.get("/v1/models/tales").json["object"]?.string == "model")
        #expect(try await server.get("/v1/models/a/b").status == 404)
        #expect(try await server.get("/version").json["version"]?.string == Release.version)
        let props = try await server.get("/props").json
        #expect(props["total_slots"]?.int == 4)
        #expect(props.at("default_generation_settings.n_ctx")?.int == 512)
        #expect(props["kv_policies"]?.elements.contains { $0.string == "snapkv" } == true)
        let slots = try await server.get("/slots").json
        #expect(slots.count == 4)
        #expect(slots[0]?["n_ctx"]?.int == 512 && slots[0]?["params"] == nil)
        #expect(try await server.get("/tokenizer_info").json["vocab_size"]?.int == 2_048)
        let page = try await server.get("/")
        #expect(page.text.hasPrefix("<!doctype html>"))
        #expect(page.headers["content-security-policy"] != nil)
        let document = try await server.get("/openapi.json").json
        #expect(document["openapi"]?.string == "3.1.0")
        #expect(document["paths"]?["/v1/chat/completions"]?["post"] != nil)
    }

    @Test func unknownPathsAndMethodsAreAnsweredInJSON() async throws {
        let server = try await TestServer.shared.value
        let missing = try await server.get("/v2/nothing")
        #expect(missing.status == 404)
        #expect(try missing.json.at("error.type")?.string == "not_found_error")
        let wrong = try await server.get("/v1/chat/completions")
        #expect(wrong.status == 405 && wrong.headers["allow"] == "POST")
        #expect(try wrong.json.at("error.code")?.string == "method_not_allowed")
        let embeddings = try await server.post("/v1/embeddings", #"{"input": "a"}"#)
        #expect(embeddings.status == 501)
        #expect(try embeddings.json.at("error.type")?.string == "not_supported_error")
        let head = try await server.send("HEAD", "/health")
        #expect(head.status == 200 && head.body.isEmpty && head.headers["content-length"] == "15")
    }

    @Test("tokens and texts")
    func tokens() async throws {
        let server = try await TestServer.shared.value
        let pieces =
            try await server.post(
                "/tokenize", #"{"content": "A dog 媽 🤗", "with_pieces": true}"#
            ).json["tokens"].map { Array($0.elements) } ?? []
        #expect(!pieces.isEmpty && pieces.allSatisfy { $0["id"]?.int != nil && $0["piece"]?.count ?? 1 >= 0 })
        let ids = pieces.compactMap { $0["id"]?.int }
        let back = try await server.post("/detokenize", "{\"tokens\": \(ids)}").json
        #expect(back["content"]?.string == "A dog 媽 🤗")
        let special = try await server.post("/tokenize", #"{"content": "A", "add_special": true}"#).json
        #expect(special["tokens"]?.count == 2)
    }

    @Test func namesOfRequestsComeBack() async throws {
        let server = try await TestServer.shared.value
        let own = try await server.get("/health", headers: ["X-Request-Id": "abc-1"])
        #expect(own.headers["x-request-id"] == "abc-1")
        let other = try await server.get("/health", headers: ["X-Request-Id": "a b"])
        #expect(other.headers["x-request-id"]?.hasPrefix("req_") == true)
    }

    @Test func keysOpenAllButHealthAndPage() async throws {
        var settings = TestServer.settings
        settings.keys = APIKeys(["first", "second"])
        try await TestServer.with(settings) { server in
            #expect(try await server.get("/health").status == 200)
            #expect(try await server.get("/").status == 200)
            for path in ["/v1/models", "/metrics", "/slots", "/nothing"] {
                let reply = try await server.get(path)
                #expect(reply.status == 401, "\(path)")
                #expect(try reply.json.at("error.type")?.string == "authentication_error")
            }
            for headers in [
                ["Authorization": "Bearer second"], ["X-Api-Key": "first"], ["authorization": "bearer first"],
            ] {
                #expect(try await server.get("/v1/models", headers: headers).status == 200)
            }
            for key in ["", "firs", "firstt", "First"] {
                #expect(try await server.get("/v1/models", headers: ["X-Api-Key": key]).status == 401)
            }
            let preflight = try await server.send(
                "OPTIONS", "/completions", headers: ["Origin": "web.example"])
            #expect(preflight.status == 200)
            #expect(preflight.headers["access-control-allow-origin"] == "web.example")
            #expect(preflight.headers["access-control-allow-headers"] == "*")
        }
    }

    @Test("pages of other origins are not served without a setting")
    func origins() async throws {
        let server = try await TestServer.shared.value
        let body = #"{"content": "a"}"#
        let foreign = try await server.post("/tokenize", body, headers: ["Origin": "http://evil.example"])
        #expect(foreign.status == 403 && foreign.headers["access-control-allow-origin"] == nil)
        #expect(
            try await server.post("/tokenize", body, headers: ["Origin": "http://127.0.0.1"]).status == 200)
        var settings = TestServer.settings
        settings.corsOrigins = ["localhost"]
        try await TestServer.with(settings) { server in
            for origin in ["http://localhost:3000", "http://[::1]", "https://127.0.0.1:1"] {
                let reply = try await server.post("/tokenize", body, headers: ["Origin": origin])
                #expect(reply.status == 200 && reply.headers["access-control-allow-origin"] == origin)
            }
            for origin in ["http://localhost.evil.com", "http://notlocalhost", "null"] {
                #expect(try await server.post("/tokenize", body, headers: ["Origin": origin]).status == 403)
            }
        }
    }

    private static func run(_ program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }

    @Test(
        "answers over TLS, and not without it",
        .enabled(if: Program.find("openssl") != nil && Program.find("curl") != nil))
    func encrypted() async throws {
        let directory = TemporaryDirectory()
        let (key, certificate) = (directory.path + "/key.pem", directory.path + "/certificate.pem")
        _ = try Self.run(
            #require(Program.find("openssl")),
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-days", "2",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out",
                certificate,
            ])
        var settings = TestServer.short
        settings.tls = (key, certificate)
        let curl = try #require(Program.find("curl"))
        try await TestServer.with(settings) { server in
            let address = "localhost:\(server.port)/health"
            let arguments = ["-s", "-4", "--cacert", certificate, "-m", "20", "https://" + address]
            let (encrypted, plain) = try await Task.detached {
                (
                    try Self.run(curl, arguments),
                    try Self.run(curl, ["-s", "-4", "-m", "20", "http://" + address])
                )
            }.value
            #expect(encrypted.contains(#""ok""#))
            #expect(plain.isEmpty)
        }
        settings.tls = (key, key)
        expectError(.malformed, "--ssl-cert-file", key) {
            try SwiftletServer(
                host: ModelHost(), settings: settings, modelName: "a", logger: Logger(label: "test"))
        }
    }

    @Test func endpointsThatAreSwitchedOff() async throws {
        var settings = ServerSettings()
        (settings.showsSlots, settings.showsPage, settings.bodyLimit) = (false, false, 1_000)
        try await TestServer.with(settings) { server in
            #expect(try await server.get("/slots").status == 501)
            #expect(try await server.get("/metrics").status == 501)
            #expect(try await server.get("/").status == 404)
            let large = try await server.post(
                "/tokenize", #"{"content": "\#(String(repeating: "a", count: 2_000))"}"#)
            #expect(large.status == 413)
            #expect(try large.json.at("error.code")?.string == "body_too_large")
            let save = try await server.post("/slots/0?action=save", #"{"filename": "a"}"#)
            #expect(save.status == 501)
        }
    }

    @Test func nothingIsServedWhileTheModelLoads() async throws {
        let host = ModelHost()
        try await TestServer.with(host: host) { server in
            let health = try await server.get("/health")
            #expect(health.status == 503 && health.headers["retry-after"] != nil)
            #expect(try health.json.at("error.message")?.string == "Loading model")
            #expect(try health.json.at("error.type")?.string == "unavailable_error")
            #expect(try await server.get("/v1/models").json.at("data.0.meta")?.isNull == true)
            #expect(try await server.post("/v1/completions", #"{"prompt": "a"}"#).status == 503)
            host.finish(.success(try TestServer.engine(slots: 1)))
            #expect(try await server.get("/health").status == 200)
        }
    }

    @Test func metricsAreInPrometheusFormat() async throws {
        let server = try await TestServer.shared.value
        _ = try await server.post("/v1/completions", #"{"prompt": "a", "max_tokens": 3}"#)
        let reply = try await server.get("/metrics")
        #expect(reply.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
        #expect(reply.headers["process-start-time-unix"] != nil)
        var types: [String: Substring] = [:]
        for line in reply.text.split(separator: "\n") {
            if line.hasPrefix("# TYPE ") {
                let words = line.split(separator: " ")
                types[String(words[2])] = words[3]
            } else if !line.hasPrefix("#") {
                let name = line.prefix { $0 != "{" && $0 != " " }
                let base = ["_bucket", "_sum", "_count"].first(where: name.hasSuffix).map {
                    name.dropLast($0.count)
                }
                #expect(
                    types[String(name)] != nil || base.flatMap { types[String($0)] } == "histogram", "\(line)"
                )
                #expect(line.split(separator: " ").last.flatMap { Double($0) } != nil, "\(line)")
            }
        }
        for (name, type) in [
            ("requests_running", "gauge"), ("requests_waiting", "gauge"),
            ("generation_tokens_total", "counter"),
            ("prompt_tokens_total", "counter"), ("kv_cache_usage_ratio", "gauge"),
            ("time_to_first_token_seconds", "histogram"), ("inter_token_latency_seconds", "histogram"),
            ("e2e_request_latency_seconds", "histogram"), ("prefix_cache_hits_total", "counter"),
            ("kv_cache_saved_bytes", "gauge"),
        ] {
            #expect(types["swiftlet_\(name)"].map(String.init) == type, "\(name)")
        }
        let counts = reply.text.split(separator: "\n").filter {
            $0.hasPrefix("swiftlet_e2e_request_latency_seconds_count")
        }
        #expect(counts.first?.split(separator: " ").last.flatMap { Int($0) }.map { $0 > 0 } == true)
    }

    @Test func slotsAreSavedAndRestored() async throws {
        let directory = TemporaryDirectory()
        var settings = ServerSettings()
        settings.slotDirectory = directory.path
        try await TestServer.with(settings, slots: 1) { server in
            let story = String(repeating: "Once upon a time. ", count: 6)
            _ = try await server.post("/completion", #"{"prompt": "\#(story)", "n_predict": 2}"#)
            let saved = try await server.post("/slots/0?action=save", #"{"filename": "slot.bin"}"#)
            #expect(saved.status == 200, "\(saved.text)")
            let count = try saved.json["n_saved"]?.int ?? 0
            let size = try saved.json["n_written"]?.int ?? 0
            #expect(count > 0 && size > 0)
            #expect(try await server.post("/slots/0?action=erase", "").status == 200)
            let restored = try await server.post("/slots/0?action=restore", #"{"filename": "slot.bin"}"#)
            #expect(try restored.json["n_restored"]?.int == count)
            for name in ["../x", "/etc/passwd", "", "a/b", ".x"] {
                let reply = try await server.post("/slots/0?action=save", "{\"filename\": \"\(name)\"}")
                #expect(reply.status == 400, "\(name)")
            }
            #expect(try await server.post("/reset_prefix_cache", "").json["n_erased_prompts"]?.int == 1)
            #expect(try await server.becomes { $0.keptPrompts == 0 && $0.heldBytes == 0 })
            #expect(try await server.post("/slots/9?action=erase", "").status == 400)
            #expect(try await server.post("/slots/0?action=dance", "").status == 400)
        }
    }
}
