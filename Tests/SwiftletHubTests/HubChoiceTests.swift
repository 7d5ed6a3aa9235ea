import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletHub

/// Which files, from where, for whom.
@Suite("HubChoiceTests")
struct HubChoiceTests {
    private static let quantised = [
        "README.md", "imatrix.gguf", "M-BF16.gguf", "M-F16.gguf", "M-IQ4_XS.gguf", "M-Q4_K_M.gguf",
        "M-Q8_0.gguf",
        "Q6_K/M-Q6_K-00002-of-00002.gguf", "Q6_K/M-Q6_K-00001-of-00002.gguf", "mmproj-M-F16.gguf",
        "m-q5_0-dup.gguf",
    ]

    @Test(
        "a format finds its file as llama.cpp's -hf does",
        arguments: [
            (nil, "M-Q4_K_M.gguf"), ("q8_0", "M-Q8_0.gguf"), ("F16", "M-F16.gguf"), ("bf16", "M-BF16.gguf"),
            ("Q6_K", "Q6_K/M-Q6_K-00001-of-00002.gguf"), ("iq4_xs", "M-IQ4_XS.gguf"),
            ("Q5_0", "m-q5_0-dup.gguf"),
            ("M-F16.gguf", "M-F16.gguf"), ("mmproj-M-F16.gguf", "mmproj-M-F16.gguf"), ("Q2_K", nil),
            ("", nil),
        ] as [(String?, String?)])
    func formats(selector: String?, file: String?) {
        #expect(GGUFChoice.choose(from: Self.quantised, selector: selector) == file)
    }

    @Test("a file in parts is all of them, in order")
    func parts() {
        let first = "Q6_K/M-Q6_K-00001-of-00002.gguf"
        #expect(
            GGUFChoice.parts(of: first, in: Self.quantised) == [first, "Q6_K/M-Q6_K-00002-of-00002.gguf"])
        #expect(GGUFChoice.parts(of: first, in: [first]) == nil)
        #expect(GGUFChoice.parts(of: "M-F16.gguf", in: Self.quantised) == ["M-F16.gguf"])
        for odd in [
            "a-00000-of-00002.gguf", "a-00003-of-00002.gguf", "-00001-of-00001.gguf", "a-1-of-2.gguf",
        ] {
            #expect(GGUFChoice.parts(of: odd, in: [odd]) == [odd])
        }
    }

    private func choose(_ name: String, _ paths: [String]) throws -> [String] {
        let listing = HubListing(
            commit: FakeHub.commit, files: paths.map { HubFile(path: $0, byteCount: 1, hash: nil) })
        return try HubSelection(listing, try #require(HubName(name))).files.map(\.path)
    }

    @Test("pickles are never taken")
    func pickles() throws {
        expectError(.unsupported, "pickle", "pytorch_model.bin") {
            try choose("org/name", ["config.json", "pytorch_model.bin"])
        }
        expectError(.unsupported, "pickle") { try choose("org/name:x.pt", ["config.json", "x.pt"]) }
        expectError(.unsupported, "no GGUF") { try choose("org/name", ["config.json", "README.md"]) }
        expectError(.missing, "Q2_K", "M-F16.gguf") { try choose("org/name:Q2_K", ["M-F16.gguf"]) }
    }

    @Test("each kind of repository gives what can be opened")
    func kinds() throws {
        #expect(try choose("org/name", Self.quantised) == ["M-Q4_K_M.gguf"])
        #expect(try choose("org/name:q6_k", Self.quantised).count == 2)
        #expect(try choose("org/name:config.json", ["config.json", "x.gguf"]) == ["config.json"])
        #expect(
            try choose("org/name", ["config.json", "model.safetensors", "x.gguf", "onnx/model.safetensors"])
                == ["config.json", "model.safetensors"])
        #expect(
            try choose("org/name", ["adapter_config.json", "adapter_model.safetensors", "optimizer.pt"])
                == ["adapter_config.json", "adapter_model.safetensors"])
        #expect(
            try choose(
                "org/name", ["config.json", "model.safetensors", "1_Pooling/config.json", "modules.json"]
            ).count == 4)
    }

    @Test(
        "arguments that are no names are refused",
        arguments: ["", "a/b/c", "../x", "a--b", "org/name@", "org/name:", "org/name:../x", "/org/name"])
    func arguments(argument: String) throws {
        let settings = try HubSettings(endpoint: "http://localhost", cachePath: "/tmp/none")
        expectError(.invalidArgument, "org/name") { try HubPull(argument, settings: settings) }
    }

    @Test("the environment is read as by huggingface_hub")
    func environment() throws {
        let directory = TemporaryDirectory()
        directory.write(" hf_file\n", to: "home/token")
        var settings = try HubSettings(environment: ["HF_HOME": directory.path + "/home"])
        #expect(
            settings.endpoint == "https://huggingface.co" && settings.token == "hf_file"
                && !settings.isOffline)
        #expect(settings.cachePath == directory.path + "/home/hub")
        settings = try HubSettings(environment: [
            "HOME": "/h", "HF_TOKEN": "hf_env", "HF_ENDPOINT": "http://mirror:8080/hub//",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "7",
        ])
        #expect(
            settings.endpoint == "http://mirror:8080/hub" && settings.token == "hf_env" && settings.isOffline)
        #expect(settings.cachePath == "/h/.cache/huggingface/hub" && settings.readTimeoutSeconds == 7)
        #expect(try HubSettings(environment: ["XDG_CACHE_HOME": "/x"]).cachePath == "/x/huggingface/hub")
        #expect(
            try HubSettings(environment: ["HOME": "/h", "HUGGINGFACE_HUB_CACHE": "~/c"]).cachePath == "/h/c")
        for endpoint in ["huggingface.co", "file:///x", "http://", "http://u@h", "http://h?x"] {
            expectError(.invalidArgument, "HF_ENDPOINT") {
                try HubSettings(environment: ["HOME": "/h", "HF_ENDPOINT": endpoint])
            }
        }
        expectError(.invalidArgument, "HF_TOKEN") {
            try HubSettings(environment: ["HOME": "/h", "HF_TOKEN": "a\r\nb: c"])
        }
    }

    @Test("servers say how long to wait in three ways")
    func delays() {
        let date = Date(timeIntervalSince1970: 784_111_770)
        #expect(RetryPolicy.requestedDelay(retryAfter: "7", rateLimit: nil) == 7)
        #expect(
            RetryPolicy.requestedDelay(retryAfter: "Sun, 06 Nov 1994 08:49:37 GMT", rateLimit: nil, now: date)
                == 7)
        #expect(RetryPolicy.requestedDelay(retryAfter: nil, rateLimit: "\"api\";r=0;t=55") == 55)
        #expect(RetryPolicy.requestedDelay(retryAfter: "-3", rateLimit: nil) == 0)
        #expect(RetryPolicy.requestedDelay(retryAfter: "soon", rateLimit: nil) == nil)
        let policy = RetryPolicy()
        for failures in 1...20 { #expect((0.25...30).contains(policy.delay(failures: failures))) }
    }

    @Test("addresses escape what has a meaning in them")
    func addresses() {
        #expect(HubAddress.escaped("refs/pr/1") == "refs%2Fpr%2F1")
        #expect(
            HubAddress.file("a b/ü?#%.json", of: "org/name", commit: "c", endpoint: "http://h")
                == "http://h/org/name/resolve/c/a%20b/%C3%BC%3F%23%25.json")
    }
}
