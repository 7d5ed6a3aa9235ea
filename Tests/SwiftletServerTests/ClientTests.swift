import Foundation
import Testing

/// Other people's clients; skipped where Python lacks them. `SWIFTLET_PYTHON` names an interpreter that has them.
@Suite struct ClientTests {
    private static let python = ProcessInfo.processInfo.environment["SWIFTLET_PYTHON"] ?? "python3"

    /// Runs Python and returns its status and what it has written.
    private static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [python] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    private static let hasClients = (try? run(["-c", "import openai"]))?.status == 0

    private static let hasHarness = (try? run(["-c", "import lm_eval"]))?.status == 0

    @Test("the clients of OpenAI and Anthropic", .enabled(if: hasClients))
    func clients() async throws { try await Self.check("server_clients.py") }

    @Test("lm-evaluation-harness", .enabled(if: hasHarness))
    func harness() async throws { try await Self.check("server_lm_eval.py") }

    /// Runs a script on the shared server; it must end well.
    private static func check(_ name: String) async throws {
        let server = try await TestServer.shared.value
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Scripts/\(name)").path
        let (status, output) = try await withCheckedThrowingContinuation { continuation in
            Thread {
                continuation.resume(
                    with: Result { try Self.run([script, "http://127.0.0.1:\(server.port)"]) })
            }.start()
        }
        #expect(status == 0, "\(output.suffix(3_000))")
    }
}
