import SwiftletEngine
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletServer

@Suite("Adapters of a server") struct AdapterEndpointTests {
    /// Writes an adapter of random numbers for the built-in model.
    private func adapter(_ seed: UInt64, in folder: TemporaryDirectory) throws -> String {
        let path = "\(folder.path)/\(seed).gguf"
        var random = SplitMix64(seed: seed)
        let names = (0..<8).flatMap { ["blk.\($0).attn_q.weight", "blk.\($0).ffn_down.weight"] }
        let tensors = names.flatMap { name -> [TensorDeclaration] in
            let columns = name.contains("ffn_down") ? 512 : 192
            return [
                .init(name: "\(name).lora_a", shape: [4, columns], format: .f32),
                .init(name: "\(name).lora_b", shape: [192, 4], format: .f32),
            ]
        }
        var writer = try GGUFWriter(
            path: path,
            metadata: [
                ("general.type", GGUFValue("adapter")), ("adapter.type", GGUFValue("lora")),
                ("general.architecture", GGUFValue("llama")), ("adapter.lora.alpha", GGUFValue(Float(4))),
            ], tensors: tensors)
        for tensor in tensors {
            let floats = random.floats(tensor.shape[0] * tensor.shape[1], in: -0.2...0.2)
            try floats.withUnsafeBytes { try writer.write($0) }
        }
        try writer.finish()
        return path
    }

    private func host(_ folder: TemporaryDirectory) throws -> ModelHost {
        let model = try Model.load(nil)
        var options = Scheduler.Options()
        (options.slotCount, options.contextLength, options.threadCount) = (2, 512, 2)
        options.adapters = [
            AdapterUse(try model.adapter(at: try adapter(1, in: folder))),
            AdapterUse(try model.adapter(at: try adapter(2, in: folder)), scale: 0),
        ]
        return ModelHost(try Engine(try Scheduler(model, options), template: try model.chatTemplate()))
    }

    private func text(_ server: TestServer, _ lora: String?) async throws -> String {
        let field = lora.map { ", \"lora\": \($0)" } ?? ""
        let body =
            "{\"prompt\": \"Once upon a time there was a girl\", \"n_predict\": 12, \"temperature\": 0\(field)}"
        let reply = try await server.post("/completion", body)
        #expect(reply.status == 200, "\(reply.text)")
        return try #require(try reply.json.at("content")?.string)
    }

    @Test("scales are listed, set for all requests, and set by one")
    func scales() async throws {
        let folder = TemporaryDirectory()
        try await TestServer.with(slots: 2, host: try host(folder)) { server in
            let list = try await server.get("/lora-adapters").json
            #expect(list.count == 2)
            #expect(list.at("0.scale")?.double == 1 && list.at("1.scale")?.double == 0)
            #expect(list.at("0.path")?.string?.hasSuffix("1.gguf") == true)
            let plain = try await text(server, "[]")
            let first = try await text(server, nil),
                second = try await text(server, "[{\"id\": 1, \"scale\": 1}]")
            #expect(Set([plain, first, second]).count == 3)
            // A cache of a prompt serves only requests with the same adapters: the second time from the cache.
            #expect(try await text(server, "[]") == plain)
            #expect(try await text(server, "[{\"id\": 0, \"scale\": 1}]") == first)
            let reply = try await server.post("/lora-adapters", "[{\"id\": 1, \"scale\": 1}]")
            #expect(try reply.json.at("success")?.bool == true)
            #expect(try await text(server, nil) == second)
            #expect(try await server.get("/lora-adapters").json.at("0.scale")?.double == 0)
        }
    }

    @Test(
        "wrong lists are refused with the field named",
        arguments: [
            ("[{\"id\": 2, \"scale\": 1}]", "lora[0].id"), ("[{\"id\": 0}]", "lora[0].scale"),
            ("[{\"scale\": 1}]", "lora[0].id"), ("[7]", "lora[0]"), ("{}", "lora"),
            ("[{\"id\": 0, \"scale\": 1, \"power\": 2}]", "lora[0].power"),
        ])
    func refusals(list: String, field: String) async throws {
        let server = try await TestServer.shared.value
        let reply = try await server.post("/completion", "{\"prompt\": \"Hi\", \"lora\": \(list)}")
        #expect(reply.status == 400)
        #expect(try reply.json.at("error.message")?.string?.contains(field) == true, "\(reply.text)")
    }
}
