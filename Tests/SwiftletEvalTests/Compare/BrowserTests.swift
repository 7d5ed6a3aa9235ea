import Foundation
import SwiftletFormats
import SwiftletTestSupport
import Testing

@testable import SwiftletEval

/// A browser that can run without a window, if there is one.
private enum Browser {
    static let path = Program.find("chromium", "chromium-browser", "google-chrome", "chrome")

    /// Loads a page and returns what became of it, and what it wrote to the console.
    static func load(_ page: String, in directory: String) throws -> (page: String, console: [Substring]) {
        let (out, errors) = (directory + "/dom.html", directory + "/errors.txt")
        for file in [out, errors] { try Data().write(to: URL(filePath: file)) }
        let process = Process()
        process.executableURL = URL(filePath: try #require(path))
        process.arguments = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            "--user-data-dir=\(directory)/profile", "--virtual-time-budget=5000", "--timeout=20000",
            "--dump-dom",
            "file://\(page)",
        ]
        process.standardOutput = try FileHandle(forWritingTo: URL(filePath: out))
        process.standardError = try FileHandle(forWritingTo: URL(filePath: errors))
        try process.run()
        process.waitUntilExit()
        let console = try String(contentsOfFile: errors, encoding: .utf8).split(separator: "\n")
        return (try String(contentsOfFile: out, encoding: .utf8), console.filter { $0.contains(":CONSOLE") })
    }
}

@Suite struct BrowserTests {
    /// Watches for errors from the start.
    private static let watch = """
        <script>window.problems = [];
        addEventListener("error", event => problems.push(String(event.message)));
        </script>
        """

    /// Clicks through the page and leaves what it saw in an element.
    private static let check = """
        <script>
        const seen = { charts: document.querySelectorAll("#pareto .charts svg").length,
          tables: document.querySelectorAll("table").length, orders: [], themes: [] };
        for (const table of document.querySelectorAll("table")) {
          [...table.tHead.rows[0].cells].forEach((head, column) => {
            for (let click = 0; click < 2; click++) {
              head.querySelector("button").click();
              const down = head.getAttribute("aria-sort") === "descending";
              const isNumber = head.classList.contains("number");
              const keys = [...table.tBodies[0].rows].map(row => row.cells[column])
                .map(cell => isNumber ? cell.dataset.key : cell.textContent).filter(key => key !== "");
              const isSorted = keys.every((key, index) => index === 0 || (isNumber
                ? (down ? keys[index - 1] - key >= 0 : key - keys[index - 1] >= 0)
                : (down ? keys[index - 1].localeCompare(key) >= 0 : key.localeCompare(keys[index - 1]) >= 0)));
              seen.orders.push(isSorted);
            }
          });
        }
        seen.dimmed = [];
        for (let click = 0; click < 2; click++) {
          document.querySelector(".key").click();
          seen.dimmed.push([...document.querySelectorAll("#pareto .charts .series")]
            .filter(series => getComputedStyle(series).opacity < 1).length);
        }
        for (let click = 0; click < 2; click++) {
          document.getElementById("theme").click();
          seen.themes.push(getComputedStyle(document.body).backgroundColor);
        }
        seen.overflow = document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("*")]
          .filter(element => element.getBoundingClientRect().right > innerWidth && !element.closest(".wide"))
          .map(element => element.outerHTML.slice(0, 99));
        seen.empty = [...document.querySelectorAll("#pareto svg")].filter(svg => svg.getBBox().width < 5).length;
        seen.problems = window.problems;
        const result = document.createElement("pre");
        result.id = "seen";
        result.textContent = JSON.stringify(seen);
        document.body.append(result);
        </script>
        """

    @Test(
        "the report renders in a browser, its columns sort, and nothing goes wrong",
        .enabled(if: Browser.path != nil))
    func report() throws {
        let directory = TemporaryDirectory()
        let run = try CompareFixture.run(directory.path)
        try run.measure()
        let html = ComparePage(try run.report()).html
        let page = directory.path + "/page.html"
        try Data(
            html.replacing("<head>", with: "<head>" + Self.watch).replacing(
                "</body>", with: Self.check + "</body>"
            )
            .utf8
        ).write(to: URL(filePath: page))
        let (dom, console) = try Browser.load(page, in: directory.path)
        #expect(console.isEmpty, "\(console)")
        let text = try #require(
            dom.components(separatedBy: "<pre id=\"seen\">").last?.components(separatedBy: "</pre>").first)
        let seen = try JSON.parse(Array(text.utf8), source: "page")
        #expect(seen["problems"]?.count == 0, "\(text)")
        #expect(seen["overflow"]?.count == 0 && seen["empty"]?.int == 0, "\(text)")
        #expect(seen["charts"]?.int == 4 && seen["tables"]?.int == 4)
        let orders = seen["orders"]?.elements.compactMap(\.bool) ?? []
        #expect(orders.count > 60 && orders.allSatisfy { $0 })
        #expect(
            seen["dimmed"]?[0]?.int == 4 * 4 && seen["dimmed"]?[1]?.int == 0,
            "four of five policies in four charts")
        let themes = seen["themes"]?.elements.compactMap(\.string) ?? []
        #expect(Set(themes).count == 2)
        // User text arrives as text, not as elements.
        #expect(dom.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !dom.contains("<script>alert"))
    }
}
