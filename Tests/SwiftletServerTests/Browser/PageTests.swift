import Foundation
import SwiftletFormats
import Testing

@testable import SwiftletServer

/// The web page in a browser, talking to a server with the built-in model.
@Suite(.enabled(if: WebDriver.programs != nil), .serialized)
struct PageTests {
    /// Opens the page of the shared server.
    ///
    /// Whatever the test does, the page must neither fail nor open a dialog.
    private func withPage(
        width: Int = 1_300, isDark: Bool = false, _ body: (WebDriver) async throws -> Void
    ) async throws {
        let server = try await TestServer.shared.value
        try await WebDriver.with(page: "http://127.0.0.1:\(server.port)/", width: width, isDark: isDark) {
            page in
            try await Self.prepare(page)
            try await body(page)
            #expect(try await page.text("problems") == "")
            let console = try await page.console()
            #expect(console.isEmpty, "\(console)")
        }
    }

    /// Waits for the page, and has it note its requests and its errors.
    private static func prepare(_ page: WebDriver) async throws {
        try await page.wait(for: "settings.properties")
        try await page.run(
            """
            window.problems = [];
            addEventListener("error", event => problems.push(event.message));
            addEventListener("unhandledrejection", event => problems.push(String(event.reason)));
            window.alert = () => problems.push("alert");
            window.sent = [];
            const ask = window.fetch;
            window.fetch = (path, options) => {
                if (path === "v1/chat/completions") sent.push(JSON.parse(options.body));
                return ask(path, options);
            };
            """)
    }

    /// Has answers go on until their last token.
    private static func lengthen(_ page: WebDriver, _ count: Int) async throws {
        try await page.run(
            """
            const request = settings.request;
            settings.request = () => ({ ...request(), temperature: 0, ignore_eos: true, max_tokens: \(count) });
            """)
    }

    private static let lastMessage = "messagesView.conversation.messages.at(-1)"

    // MARK: Chat

    @Test("an answer appears piece by piece, stops on demand, and can be given again")
    func chat() async throws {
        try await withPage { page in
            try await Self.lengthen(page, 400)
            try await page.type("Tell me a story" + Key.enter, into: "#input")
            try await page.wait(for: "document.querySelector('.assistant .markdown').textContent.length > 20")
            #expect(try await page.text("\(Self.lastMessage).state") == "running")
            #expect(try await page.text("document.querySelector('.assistant').ariaBusy") == "true")
            try await page.click("#stop")
            try await page.wait(for: "runs.size === 0")
            #expect(try await page.text("\(Self.lastMessage).state") == "stopped")
            #expect(try await page.text("document.activeElement.id") == "input")
            let server = try await TestServer.shared.value
            #expect(try await server.becomesIdle())

            try await Self.lengthen(page, 12)
            try await page.click("[aria-label='Answer again']")
            try await page.wait(for: "runs.size === 0 && \(Self.lastMessage).state === 'done'")
            let figures = try await page.text("document.querySelector('.assistant .figures').textContent")
            #expect(figures.contains("12 tokens") && figures.contains("of full"), "\(figures)")
            #expect(try await page.text("messagesView.conversation.messages.length") == "2")
            #expect(try await page.text("byId('spoken').textContent").contains("The answer is complete."))
        }
    }

    @Test("an edited message is sent with what came before it, and without what came after")
    func edit() async throws {
        try await withPage { page in
            try await Self.lengthen(page, 4)
            for text in ["One", "Two"] {
                try await page.type(text + Key.enter, into: "#input")
                try await page.wait(for: "runs.size === 0")
            }
            try await page.click("article:nth-of-type(3) [aria-label='Edit and send again']")
            try await page.type(" and a half" + Key.enter, into: ".edit textarea")
            try await page.wait(for: "sent.length === 3 && runs.size === 0")
            let messages = try await page.run("return sent[2].messages")
            #expect(messages.count == 3)
            #expect(messages[0]?["content"]?.string == "One" && messages[1]?["role"]?.string == "assistant")
            #expect(messages[2]?["content"]?.string == "Two and a half")
            #expect(try await page.text("document.querySelectorAll('article').length") == "4")
        }
    }

    // MARK: Settings and cache

    @Test("the settings are what is sent, and only those that are filled in")
    func settings() async throws {
        try await withPage { page in
            try await page.click("#open-settings")
            #expect(
                try await page.text("document.querySelectorAll('#policies option').length > 10") == "true")
            try await page.run(
                "byId('policies').value = 'h2o'; byId('policies').dispatchEvent(new Event('change'))")
            for (name, text) in [
                ("kv_budget", "25%"), ("max_tokens", "3"), ("temperature", "0.5"), ("seed", "7"),
                ("system", "You tell stories."), ("top_k", "20"), ("min_p", "0.1"),
            ] {
                try await page.type(text, into: "#set-\(name)")
            }
            try await page.type("q8_0", into: "#set-kv_type_k")
            try await page.type("Tell me a story" + Key.enter, into: "#input")
            try await page.wait(for: "sent.length === 1 && runs.size === 0")
            let sent = try await page.run("return sent[0]")
            #expect(sent["kv_policy"]?.string == "h2o" && sent["kv_budget"]?.string == "25%")
            #expect(sent["kv_type_k"]?.string == "q8_0" && sent["kv_type_v"] == nil)
            #expect(sent["max_tokens"]?.int == 3 && sent["seed"]?.int == 7 && sent["top_k"]?.int == 20)
            #expect(
                sent["temperature"]?.double == 0.5 && sent["min_p"]?.double == 0.1 && sent["top_p"] == nil)
            #expect(sent["messages"]?[0]?["role"]?.string == "system" && sent["messages"]?.count == 2)
            #expect(sent["stream"]?.bool == true && sent["model"]?.string == "tales")
            #expect(try await page.text("\(Self.lastMessage).state") == "done")
            #expect(try await page.text("document.querySelector('.problem:not([hidden])')") == "null")

            // A policy in words of the command line.
            try await page.run(
                "byId('policies').value = 'own'; byId('policies').dispatchEvent(new Event('change'))")
            try await page.run("byId('set-kv_policy').select()")
            try await page.type("streaming:sinks=2", into: "#set-kv_policy")
            try await page.type("Go on" + Key.enter, into: "#input")
            try await page.wait(for: "sent.length === 2 && runs.size === 0")
            #expect(try await page.text("sent[1].kv_policy") == "streaming:sinks=2")
            #expect(try await page.text("\(Self.lastMessage).state") == "done")
        }
    }

    @Test("the cache view shows which layers hold a token, and follows the answer")
    func cacheView() async throws {
        try await withPage { page in
            try await Self.lengthen(page, 300)
            try await page.run("settings.set('kv_policy', 'streaming'); settings.set('kv_budget', '24')")
            try await page.click("#open-cache")
            try await page.type(
                "Once upon a time there was a little bird in a big tree" + Key.enter, into: "#input")
            let mark = "document.querySelector('#cache-policy .live')?.textContent"
            try await page.wait(for: "cacheView.trace?.moment && \(mark) === 'live'")
            try await page.wait(for: "cacheView.trace.history.length > 2")
            try await page.wait(for: "runs.size === 0")

            // What is on the page is what the server said at the end.
            try await page.wait(for: "!document.querySelector('#cache-policy .live')")
            let view = try await page.run(
                """
                const { moment, promptCount, pieces, history } = cacheView.trace;
                const tokens = [...document.querySelectorAll("#cache-tokens [data-position]")];
                const pixels = byId("cache-map").getContext("2d")
                    .getImageData(0, 0, byId("cache-map").width, byId("cache-map").height).data;
                return { promptCount, tokens: tokens.length, read: moment.tokenCount, layers: moment.layers.length,
                    text: pieces.slice(0, promptCount).join(""), gone: tokens.filter(t => t.matches(".gone")).length,
                    first: Number(tokens[0].dataset.holding), last: Number(tokens.at(-1).dataset.holding),
                    answer: tokens.filter(t => t.matches(".answer")).length,
                    colours: new Set(new Uint32Array(pixels.buffer)).size,
                    held: history.at(-1).bytes, full: history.at(-1).fullBytes, rows: moment.meanRows };
                """)
            let layers = try #require(view["layers"]?.int)
            let (read, prompt) = (try #require(view["read"]?.int), try #require(view["promptCount"]?.int))
            #expect(layers > 1 && read > prompt + 250 && view["tokens"]?.int == read)
            #expect(view["text"]?.string?.contains("little bird") == true)
            #expect(view["first"]?.int == layers && view["last"]?.int == layers, "sinks and newest stay")
            #expect(view["gone"]?.int == read - 24 && view["answer"]?.int == read - prompt)
            #expect(view["colours"]?.int ?? 0 > 4)
            #expect(view["rows"]?.double == 24)
            #expect((view["held"]?.double ?? 0) * 3 < view["full"]?.double ?? 0)

            // Tokens and the map tell what they are.
            try await page.run("document.querySelector('#cache-tokens [data-position=\"0\"]').focus()")
            let detail = "byId('cache-detail').textContent"
            #expect(
                try await page.text(detail).contains("in \(layers) of \(layers) layers (0–\(layers - 1))"))
            try await page.press(Key.right + Key.right + Key.right + Key.right)
            #expect(try await page.text(detail).contains("position 4, in none of \(layers) layers"))
            try await page.run("byId('cache-map').focus()")
            try await page.press(Key.right + Key.down + Key.end)
            #expect(try await page.text(detail).contains("layer 1:"))
        }
    }

    // MARK: Safety

    @Test("nothing that a model or a stored conversation says becomes an element or runs")
    func injection() async throws {
        try await withPage { page in
            let script = """
                const attacks = arguments[0].split("\\n----\\n");
                const allowed = new Set(("P H3 H4 H5 H6 UL OL LI BLOCKQUOTE FIGURE FIGCAPTION SPAN BUTTON SVG PATH PRE "
                    + "CODE DIV TABLE THEAD TBODY TR TH TD EM STRONG DEL A BR HR").split(" "));
                const bad = [];
                for (const text of attacks) {
                    const box = document.createElement("div");
                    document.body.append(box);
                    const markdown = new MarkdownText(box);
                    for (let end = 1; end <= text.length; end += 7) markdown.show(text.slice(0, end));
                    markdown.show(text);
                    for (const element of box.querySelectorAll("*")) {
                        if (!allowed.has(element.tagName.toUpperCase())) bad.push(element.tagName);
                        for (const { name, value } of element.attributes) {
                            if (name.startsWith("on") || ["style", "src", "srcdoc"].includes(name)) bad.push(name);
                            if (name === "href" && !/^(https?|mailto):/.test(value)) bad.push(value);
                            if (name === "href" && !element.rel.includes("noopener")) bad.push("rel");
                        }
                    }
                    if (/<(img|script|svg|iframe)/.test(text) && !box.textContent.includes("alert(1)")) bad.push("lost");
                    box.remove();
                }
                return bad;
                """
            let found = try await page.run(script, Self.attacks.joined(separator: "\n----\n"))
            #expect(found.count == 0, "\(found.elements.compactMap(\.string))")

            // The same through a stream, and through what the browser has kept.
            try await page.run(
                """
                const ask = window.fetch, text = arguments[0];
                window.fetch = (path, options) => path !== "v1/chat/completions" ? ask(path, options) : new Response(
                    "data: " + JSON.stringify({ id: "x", choices: [{ index: 0, delta: { content: text, reasoning_content: text } }] })
                    + "\\n\\ndata: [DONE]\\n\\n", { headers: { "Content-Type": "text/event-stream" } });
                """, Self.attacks.joined(separator: "\n\n"))
            try await page.type("<img src=x onerror=alert(1)>" + Key.enter, into: "#input")
            try await page.wait(for: "runs.size === 0 && \(Self.lastMessage).content.length > 100")
            for _ in 0..<2 {
                try await page.wait(
                    for: "document.querySelector('.assistant .markdown').textContent.length > 100")
                #expect(
                    try await page.text(
                        "document.querySelectorAll('#app :is(img, iframe, script, style, object)').length")
                        == "0")
                #expect(try await page.text("document.title").hasPrefix("<img src=x"))
                #expect(try await page.text("document.querySelector('.reasoning').open") == "false")
                try await page.reload()
                try await Self.prepare(page)
            }
        }
    }

    private static let attacks = [
        "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "# <svg/onload=alert(1)>",
        "[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](java\nscript:alert(1)) [d]( javascript:alert(1))",
        "[e](\\javascript:alert(1)) [f](&#106;avascript:alert(1)) [g](data:text/html,<script>alert(1)</script>)",
        "![x](data:image/svg+xml,<svg onload=alert(1)>) <javascript:alert(1)> [v](vbscript:a) [f](file:///etc/passwd)",
        "<https://x.org\"onmouseover=\"alert(1)> https://x.org\"onmouseover=\"alert(1) [t](https://a.org \"x\" onclick=alert(1))",
        "```\"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```",
        "| <img src=x onerror=alert(1)> | b |\n|-|-|\n| [x](javascript:alert(1)) | `<svg/onload=alert(1)>` |",
        "> - **<iframe srcdoc=\"<script>alert(1)</script>\">** *<base href=//x>\n>   1. ~~<style>*{}</style>",
        "[[[[a](https://a.org)](javascript:alert(1))](https://b.org) **_~~`<b onclick=alert(1)>",
    ]

    @Test("long and hostile text is shown in little time")
    func longText() async throws {
        try await withPage { page in
            let slow = try await page.run(
                """
                const texts = { stars: "*a ".repeat(20000), open: "[".repeat(40000), links: "[a](".repeat(15000),
                    quotes: "> ".repeat(20000), table: "|a".repeat(3000) + "\\n" + "|-".repeat(3000) + "\\n|x".repeat(300),
                    fences: "```\\n".repeat(10000), angles: "<".repeat(40000), mixed: "*a _b ~~c `d [e](f ".repeat(3000),
                    items: "- a\\n".repeat(4000), lines: "word\\n".repeat(10000) };
                const slow = [];
                for (const [name, text] of Object.entries(texts)) {
                    const box = document.createElement("div");
                    const start = performance.now();
                    new MarkdownText(box).show(text);
                    const time = performance.now() - start;
                    if (time > 5000) slow.push(`${name}: ${time} ms`);
                    if (box.childNodes.length === 0) slow.push(name);
                }
                return slow;
                """)
            #expect(slow.count == 0, "\(slow.elements.compactMap(\.string))")
        }
    }

    @Test func headersForbidWhatThePageDoesNotNeed() async throws {
        let server = try await TestServer.shared.value
        let (first, second) = (try await server.get("/"), try await server.get("/index.html"))
        let policy = try #require(first.headers["content-security-policy"])
        #expect(policy.contains("default-src 'none'") && !policy.contains("unsafe"))
        #expect(policy != second.headers["content-security-policy"], "a new nonce every time")
        let nonce = try #require(
            policy.components(separatedBy: "'nonce-").dropFirst().first?.prefix { $0 != "'" })
        #expect(first.text.components(separatedBy: " nonce=\"\(nonce)\"").count > 10)
        // One file: nothing is loaded from anywhere.
        for mark in [
            "<link rel=\"stylesheet\"", "<script src", "@import", "url(", "\0", " onclick=", " style=",
        ] {
            #expect(!first.text.contains(mark), "\(mark)")
        }
        #expect(
            first.text.components(separatedBy: "</script>").count
                == first.text.components(separatedBy: "<script").count)
    }

    // MARK: What lasts

    @Test("conversations and settings survive a reload, and can be deleted and brought back")
    func reload() async throws {
        try await withPage { page in
            try await Self.lengthen(page, 5)
            try await page.run("settings.set('seed', '11')")
            try await page.type("First" + Key.enter, into: "#input")
            try await page.wait(for: "runs.size === 0")
            let answer = try await page.text("\(Self.lastMessage).content")
            try await page.click("#new")
            try await page.type("Second" + Key.enter, into: "#input")
            try await page.wait(for: "runs.size === 0")
            try await page.reload()
            try await Self.prepare(page)
            #expect(try await page.text("messagesView.conversation.title") == "Second")
            #expect(try await page.text("byId('set-seed').value") == "11")
            try await page.click("#conversations li:last-child .name")
            #expect(try await page.text("\(Self.lastMessage).content") == answer)
            #expect(try await page.text("document.querySelectorAll('article').length") == "2")
            try await page.click("#conversations li:last-child [aria-label^='Delete']")
            #expect(try await page.text("document.querySelectorAll('#conversations li').length") == "1")
            #expect(
                try await page.text(
                    "Object.keys(localStorage).filter(key => key.includes('conversation')).length") == "1")
            try await page.click("#toast button")
            #expect(try await page.text("document.querySelectorAll('#conversations li').length") == "2")
            #expect(try await page.text("document.querySelectorAll('[aria-label^=Export]').length") == "2")
        }
    }

    @Test("a browser that keeps nothing is told so, and works")
    func withoutStorage() async throws {
        try await withPage { page in
            let works = try await page.run(
                """
                const none = new Store(() => { throw new Error("blocked"); });
                const full = new Store(() => ({ length: 0, key: () => null, getItem: () => null, removeItem() {},
                    setItem(key) { if (key !== "swiftlet.probe") throw new Error("full"); } }));
                return [!none.isLasting && none.write("a.b", "1") && none.read("a.b") === "1" && none.keys("a.").length === 1,
                    full.isLasting && !full.write("a.b", "1") && full.read("a.b") === "1",
                    none.readObject("nothing") === null];
                """)
            #expect(works.elements.allSatisfy { $0.bool == true } && works.count == 3)
        }
    }

    // MARK: Errors

    @Test("errors are told in the server's words, and the next answer works")
    func errors() async throws {
        let server = try await TestServer.shared.value
        try await WebDriver.with(page: "http://127.0.0.1:\(server.port)/") { page in
            try await Self.prepare(page)
            try await Self.lengthen(page, 3)
            try await page.run("settings.set('kv_policy', 'nonsense')")
            try await page.type("One" + Key.enter, into: "#input")
            try await page.wait(for: "document.querySelector('.problem:not([hidden])')")
            #expect(
                try await page.text("document.querySelector('.problem').textContent").contains("nonsense"))
            try await page.run("settings.set('kv_policy', '')")
            try await page.type("Two" + Key.enter, into: "#input")
            try await page.wait(for: "runs.size === 0 && \(Self.lastMessage).state === 'done'")
            #expect(try await page.text("sent[1].messages.length") == "1", "the failed question is left out")
            #expect(try await page.text("problems") == "")
        }
    }

    @Test("a server with keys is opened with one, which is not kept beyond the tab")
    func apiKey() async throws {
        var settings = ServerSettings()
        settings.keys = APIKeys(["open-sesame"])
        try await TestServer.with(settings) { server in
            try await WebDriver.with(page: "http://127.0.0.1:\(server.port)/") { page in
                try await page.wait(for: "!byId('notice').hidden")
                #expect(try await page.text("byId('notice').textContent").contains("API key"))
                try await page.click("#notice button")
                #expect(try await page.text("document.activeElement.id") == "set-key")
                try await page.press("open-sesame" + Key.tab)
                try await page.wait(for: "byId('notice').hidden && settings.properties")
                try await Self.prepare(page)
                try await Self.lengthen(page, 3)
                try await page.type("One" + Key.enter, into: "#input")
                try await page.wait(for: "runs.size === 0 && \(Self.lastMessage).state === 'done'")
                #expect(
                    try await page.text("JSON.stringify({ ...localStorage }).includes('sesame')") == "false")
            }
        }
    }

    // MARK: Everyone

    @Test("everything can be done with keys alone, and shows where the focus is")
    func keyboard() async throws {
        try await withPage { page in
            try await Self.lengthen(page, 400)
            try await page.press("Tell me" + Key.enter)
            try await page.wait(for: "runs.size === 1 && \(Self.lastMessage).content.length > 10")
            try await page.press(Key.escape)
            try await page.wait(for: "runs.size === 0")
            #expect(try await page.text("\(Self.lastMessage).state") == "stopped")
            try await page.press("k", holding: Key.alt)
            #expect(try await page.text("document.activeElement.id") == "tab-cache")
            try await page.press(Key.right)
            #expect(try await page.text("document.activeElement.id") == "tab-settings")
            try await page.press(Key.tab + Key.tab)
            #expect(try await page.text("document.activeElement.id") == "set-system")
            try await page.press(Key.escape)
            #expect(try await page.text("byId('panel').hidden") == "true")
            try await page.press("n", holding: Key.alt)
            #expect(
                try await page.text("document.activeElement.id + messagesView.conversation.messages.length")
                    == "input0")

            // Round the page with the tab key: every stop can be seen, and has a name.
            try await page.run("document.activeElement.blur()")
            var stops = Set<String>()
            for _ in 0..<24 {
                try await page.press(Key.tab)
                let stop = try await page.run(
                    """
                    const element = document.activeElement, style = getComputedStyle(element);
                    const box = getComputedStyle(element.closest("form") ?? element);
                    return { name: element.ariaLabel || element.labels?.[0]?.textContent || element.textContent,
                        id: element.id || element.className, isBody: element === document.body,
                        isSeen: style.outlineStyle !== "none" || box.boxShadow !== "none" };
                    """)
                guard stop["isBody"]?.bool == false else { continue }
                stops.insert(stop["id"]?.string ?? "")
                #expect(
                    stop["isSeen"]?.bool == true && stop["name"]?.string?.isEmpty == false,
                    "\(stop["id"]?.string ?? "")")
            }
            #expect(
                stops.isSuperset(of: [
                    "new", "theme", "open-settings", "open-cache", "input", "send", "messages",
                ]))
        }
    }

    @Test("a phone shows everything within its width, in both themes", arguments: [false, true])
    func phone(isDark: Bool) async throws {
        try await withPage(width: 360, isDark: isDark) { page in
            try await Self.lengthen(page, 8)
            let wide = """
                document.documentElement.scrollWidth > innerWidth ? document.documentElement.scrollWidth
                : [...document.querySelectorAll("#app :is(button, input, select, textarea, p, canvas)")].filter(element => {
                    const box = element.getBoundingClientRect();
                    return box.width > 0 && !element.closest("#side, .wide-table, pre")
                        && (box.right > innerWidth + 1 || box.left < -1);
                }).map(element => element.id || element.className)
                """
            try await page.type(
                "Tell me a story of a very, very longwordwithoutanyspacesinitatall" + Key.enter,
                into: "#input")
            try await page.wait(for: "runs.size === 0")
            #expect(try await page.text(wide) == "")
            try await page.click("#open-cache")
            try await page.wait(for: "!byId('cache-body').hidden && byId('cache-map').width > 300")
            #expect(try await page.text(wide) == "")
            try await page.click("#tab-settings")
            #expect(try await page.text(wide) == "")
            try await page.click("#panel-close")
            try await page.click("#side-open")
            #expect(try await page.text("byId('main').inert") == "true")
            try await page.click("#conversations .name")
            #expect(try await page.text("byId('main').inert") == "false")

            // Text can be read on what is behind it.
            let contrast = try await page.run(
                """
                const probe = document.createElement("div");
                document.body.append(probe);
                const light = name => {
                    probe.style.color = `var(--${name})`;
                    const [r, g, b] = getComputedStyle(probe).color.match(/[\\d.]+/g).map(Number)
                        .map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                };
                return [["text", "page"], ["text", "surface"], ["text", "said"], ["muted", "page"], ["muted", "surface"],
                    ["muted", "raised"], ["accent", "page"], ["on-accent", "accent"], ["bad", "bad-back"]]
                    .map(pair => pair.map(light).sort((a, b) => b - a)).map(([a, b]) => (a + 0.05) / (b + 0.05))
                    .filter(ratio => ratio < 4.5);
                """)
            #expect(contrast.count == 0)
        }
    }
}
