import Foundation
import SwiftletFormats
import SwiftletTestSupport

@testable import SwiftletServer

/// A browser without a window that a test drives.
///
/// Source: W3C WebDriver; the options and the log are ChromeDriver's.
final class WebDriver {
    /// What the browser or its driver refused.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The programs, where both are installed.
    static let programs: (driver: String, browser: String)? = {
        guard let driver = Program.find("chromedriver"),
            let browser = Program.find("chromium", "chromium-browser", "google-chrome", "chrome")
        else { return nil }
        return (driver, browser)
    }()

    private let process: Process
    private let port: Int
    private var session = ""
    private let directory = TemporaryDirectory()

    /// Runs a test with a browser of its own, at a page.
    ///
    /// - Parameters:
    ///   - width: the window's width in pixels; narrow ones behave as a phone.
    ///   - isDark: whether the system prefers dark colours.
    static func with(
        page: String, width: Int = 1_300, isDark: Bool = false, _ body: (WebDriver) async throws -> Void
    ) async throws {
        let driver = try await WebDriver()
        defer { driver.process.terminate() }
        try await driver.begin(width: width, isDark: isDark)
        do {
            try await driver.open(page)
            try await body(driver)
        } catch {
            try? await driver.end()
            throw error
        }
        try await driver.end()
    }

    // MARK: The driver

    private init() async throws {
        guard let programs = Self.programs else { throw Failure(description: "there is no browser") }
        let log = directory.write("", to: "driver.txt")
        process = Process()
        process.executableURL = URL(filePath: programs.driver)
        process.arguments = ["--port=0"]
        process.standardOutput = try FileHandle(forWritingTo: URL(filePath: log))
        process.standardError = FileHandle.nullDevice
        try process.run()
        port = try await Self.port(from: log)
    }

    /// The port that a driver tells when it listens.
    private static func port(from log: String) async throws -> Int {
        for _ in 0..<400 {
            try await Task.sleep(for: .milliseconds(25))
            let text = try String(contentsOfFile: log, encoding: .utf8)
            guard let told = text.range(of: "successfully on port ") else { continue }
            if let port = Int(text[told.upperBound...].prefix { $0.isNumber }) { return port }
        }
        throw Failure(description: "the browser's driver does not start")
    }

    private func begin(width: Int, isDark: Bool) async throws {
        let isPhone = width < 500
        var arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--window-size=\(width),800",
            "--user-data-dir=\(directory.path)/profile",
        ]
        if isDark { arguments.append("--force-dark-mode") }
        let answer = try await send("POST", "/session") { json in
            json.key("capabilities")
            json.object { json in
                json.key("alwaysMatch")
                json.object { json in
                    json.member("browserName", "chrome")
                    json.key("goog:loggingPrefs")
                    json.object { $0.member("browser", "ALL") }
                    json.key("goog:chromeOptions")
                    json.object { json in
                        json.member("binary", Self.programs?.browser ?? "")
                        json.member("args", arguments)
                        if isPhone { Self.phone(width, &json) }
                    }
                }
            }
        }
        guard let id = answer["sessionId"]?.string else { throw Failure(description: "no session") }
        session = "/session/\(id)"
    }

    private static func phone(_ width: Int, _ json: inout JSONWriter) {
        json.key("mobileEmulation")
        json.object { json in
            json.key("deviceMetrics")
            json.object { json in
                json.member("width", width)
                json.member("height", 740)
                json.member("pixelRatio", 2)
                json.member("touch", true)
            }
        }
    }

    private func end() async throws { _ = try await send("DELETE", session) }

    /// Sends a command.
    ///
    /// - Returns: the value of the answer.
    @discardableResult
    private func send(
        _ method: String, _ path: String, _ fill: (inout JSONWriter) -> Void = { _ in }
    ) async throws -> JSON {
        var json = JSONWriter()
        json.object { fill(&$0) }
        let client = try SocketClient(port: port)
        try await client.send(TestServer.request(method, path, method == "POST" ? json.bytes : nil))
        let bytes = try await client.read { HTTPReply($0, isEnd: false) != nil }
        guard let reply = HTTPReply(bytes, isEnd: true), let value = try reply.json["value"] else {
            throw Failure(description: "no answer to \(method) \(path)")
        }
        guard reply.status == 200 else {
            throw Failure(description: "\(path): \(value["message"]?.string?.prefix(400) ?? "failed")")
        }
        return value
    }

    // MARK: What a test does

    /// Goes to a page.
    func open(_ page: String) async throws {
        try await send("POST", session + "/url") { $0.member("url", page) }
    }

    /// Loads the page again.
    func reload() async throws { try await send("POST", session + "/refresh") }

    /// Runs a function body in the page.
    ///
    /// - Parameter arguments: texts, `arguments[0]` and so on.
    @discardableResult
    func run(_ script: String, _ arguments: String...) async throws -> JSON {
        try await send("POST", session + "/execute/sync") { json in
            json.member("script", script)
            json.member("args", arguments)
        }
    }

    /// The value of an expression as text.
    func text(_ expression: String) async throws -> String {
        try await run("return String(\(expression))").string ?? ""
    }

    /// Waits until an expression is true.
    func wait(for expression: String, seconds: Double = 30) async throws {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(seconds) {
            if try await run("return Boolean(\(expression))").bool == true { return }
            try await Task.sleep(for: .milliseconds(25))
        }
        throw Failure(description: "it never was so: \(expression)")
    }

    /// Clicks the first element that a selector finds.
    func click(_ selector: String) async throws {
        let element = try await element(selector)
        try await send("POST", "\(session)/element/\(element)/click")
    }

    /// Types into the first element that a selector finds.
    func type(_ text: String, into selector: String) async throws {
        let element = try await element(selector)
        try await send("POST", "\(session)/element/\(element)/value") { $0.member("text", text) }
    }

    private func element(_ selector: String) async throws -> String {
        let found = try await send("POST", session + "/element") { json in
            json.member("using", "css selector")
            json.member("value", selector)
        }
        guard let id = found.members.first(where: { _ in true })?.value.string else {
            throw Failure(description: "no element \(selector)")
        }
        return id
    }

    /// Presses keys one after the other, wherever the focus is.
    ///
    /// - Parameter held: keys that stay down meanwhile.
    func press(_ keys: String, holding held: String = "") async throws {
        var actions = held.map { ("keyDown", $0) }
        for key in keys { actions += [("keyDown", key), ("keyUp", key)] }
        actions += held.reversed().map { ("keyUp", $0) }
        try await send("POST", session + "/actions") { json in
            json.key("actions")
            json.array { json in
                json.object { json in
                    json.member("type", "key")
                    json.member("id", "keyboard")
                    json.key("actions")
                    json.array { json in
                        for (type, key) in actions {
                            json.object { json in
                                json.member("type", type)
                                json.member("value", String(key))
                            }
                        }
                    }
                }
            }
        }
    }

    /// What the page wrote to the console since the last call; failed requests count.
    func console() async throws -> [String] {
        try await send("POST", session + "/se/log") { $0.member("type", "browser") }
            .elements.compactMap { $0["message"]?.string }
    }
}

/// Keys without a letter.
enum Key {
    static let (tab, enter, escape) = ("\u{E004}", "\u{E007}", "\u{E00C}")
    static let (right, down, end) = ("\u{E014}", "\u{E015}", "\u{E010}")
    static let (shift, alt) = ("\u{E008}", "\u{E00A}")
}
