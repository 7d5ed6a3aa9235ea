import Foundation
import SwiftletEngine
import SwiftletFormats
import SwiftletTestSupport
import Testing

@testable import SwiftletEval

@Suite struct CompareReportTests {
    private static let report = Result {
        let directory = TemporaryDirectory()
        let run = try CompareFixture.run(directory.path)
        try run.measure()
        return try run.report()
    }

    @Test("JSON has the manifest and every entry")
    func json() throws {
        let json = try JSON.parse(Array(try Self.report.get().json.utf8), source: "report")
        let manifest = try #require(json["manifest"])
        let fingerprint = try EvalFixture.model().fingerprint
        #expect(manifest["model_hash"]?.string == fingerprint)
        #expect(
            manifest["policies"]?.elements.compactMap(\.string) == [
                "full", "streaming", "random", "snapkv:window=4", "tova",
            ])
        for name in ["seed", "version", "processor", "system", "date", "threads", "cache_format"] {
            #expect(manifest[name] != nil)
        }
        #expect(json["complete"]?.bool == true && json["entries"]?.count == 9)
        let entry = try #require(json["entries"]?[3])
        #expect(entry["policy"]?.string == "random" && entry["budget"]?.string == "30%")
        #expect(entry["quality"]?["aware"]?["over_full"]?["score"]?.double != nil)
        #expect(entry["cost"]?["peak_bytes"]?.int ?? 0 > 0)
    }

    @Test("every line of the CSV has as many fields as the first")
    func csv() throws {
        let lines = try Self.report.get().csv.split(separator: "\n")
        #expect(lines.count == 1 + 9 * 2 * 3)
        for line in lines {
            var (fields, isQuoted) = (1, false)
            for character in line {
                if character == "\"" { isQuoted.toggle() }
                if character == ",", !isQuoted { fields += 1 }
            }
            #expect(fields == 27, "\(line)")
        }
        #expect(lines.contains { $0.contains("\"<script>alert(1)</script> & \"\"quotes\"\", 'commas'\"") })
    }

    @Test("the page needs nothing else and shows text as text")
    func html() throws {
        let html = ComparePage(try Self.report.get()).html
        #expect(!html.contains("<script>alert") && html.contains("&lt;script&gt;alert(1)"))
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            let rest = html.replacing("http://www.w3.org/2000/svg", with: "")
            #expect(!rest.contains(outside), "\(outside)")
        }
        #expect(!html.contains("NaN") && !html.contains("nan") && !html.contains("inf\""))
        for part in ["section", "svg", "table", "figure", "details", "div"] {
            #expect(
                html.components(separatedBy: "<\(part)").count
                    == html.components(separatedBy: "</\(part)>").count)
        }
    }

    @Test("text is escaped for elements and attributes")
    func escaping() {
        #expect(
            Markup.escape("<a href=\"x\">'&'\u{0}\u{1B}\n")
                == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;  \n")
        #expect(Markup.escape("é👍") == "é👍")
    }

    @Test(
        "scales cover their values with a few round ticks",
        arguments: [
            [0.0], [0, 1], [0.3, 0.31], [-0.4, 0.1], [5, 5_000], [1e9, 3e9],
        ])
    func scales(values: [Double]) {
        for isLogarithmic in [false, true] where !isLogarithmic || values[0] > 0 {
            let scale = Scale(values, isLogarithmic: isLogarithmic)
            #expect((2...9).contains(scale.ticks.count), "\(scale.ticks)")
            for value in values { #expect((-1e-9...1 + 1e-9).contains(scale.share(of: value))) }
            for tick in scale.ticks { #expect((-1e-9...1 + 1e-9).contains(scale.share(of: tick))) }
        }
    }

    @Test("colours run from red over yellow to blue")
    func colors() {
        #expect(HeatColor.hexadecimal(of: 0) == "#d73027" && HeatColor.hexadecimal(of: 1) == "#4575b4")
        #expect(HeatColor.hexadecimal(of: 0.5) == "#fee090" && HeatColor.hexadecimal(of: .nan) == "#d73027")
        #expect(HeatColor.hexadecimal(of: 7) == "#4575b4" && HeatColor.isDark(1) && !HeatColor.isDark(0.5))
    }
}
