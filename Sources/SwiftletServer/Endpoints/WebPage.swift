import CSwiftletPage

/// The web page: an HTML file with the style sheets and scripts that it names put into their places, so that a browser
/// asks once and loads nothing else.
struct WebPage: Sendable {
    /// The text between the places where the nonce stands.
    private let parts: [String]

    /// The page of this program.
    static let shared = WebPage(
        (0..<swiftlet_page_file_count()).map { index in
            let file = swiftlet_page_file_at(index)
            let bytes = UnsafeRawBufferPointer(start: file.bytes, count: file.size)
            return (name: String(cString: file.name), text: String(decoding: bytes, as: UTF8.self))
        })

    /// Puts a page together.
    ///
    /// - Parameter files: names and texts, the HTML file first.
    init(_ files: [(name: String, text: String)]) {
        var page = files.first?.text ?? ""
        for (name, text) in files.dropFirst() {
            page = page.replacing(
                "<link rel=\"stylesheet\" href=\"\(name)\">", with: "<style nonce=\"\0\">\n\(text)</style>"
            )
            .replacing("<script src=\"\(name)\"></script>", with: "<script nonce=\"\0\">\n\(text)</script>")
        }
        parts = page.split(separator: "\0", omittingEmptySubsequences: false).map(String.init)
    }

    /// The page for one answer.
    ///
    /// - Parameter nonce: a word that no other answer has, for `contentSecurityPolicy`.
    func bytes(nonce: String) -> [UInt8] { Array(parts.joined(separator: nonce).utf8) }

    /// What the page may do: run and look as its own text says, talk to this server, and nothing else. Text can never
    /// become markup, and no other page can frame it.
    ///
    /// Source: W3C Content Security Policy 3, Trusted Types.
    static func contentSecurityPolicy(nonce: String) -> String {
        "default-src 'none'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; img-src data:; "
            + "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
            + "require-trusted-types-for 'script'; trusted-types 'none'"
    }
}
