"use strict";

// Markdown inside a paragraph: code, emphasis, links. The way of working is CommonMark's: text runs, delimiters
// and brackets are noted in one pass and joined from the inside out. What is not understood stays text.

/** Most delimiters of a paragraph and most open brackets; more stay text, which bounds nesting and time. */
const delimiterLimit = 1000, bracketLimit = 100;

const escapable = /[!-/:-@[-`{-~]/;
const entities = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'", "#39": "'", nbsp: "\u00a0" };

/** The address of a link if it may be one: absolute, and of a kind that runs nothing. */
function safeAddress(text) {
    let url;
    try { url = new URL(text); } catch { return null; }
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
}

function makeLink(address, ...children) {
    return make("a", { href: address, rel: "noopener noreferrer nofollow", target: "_blank" }, ...children);
}

/** What makes brackets a link: `](address "title")`. */
const linkTarget = (() => {
    const plain = String.raw`(?:[^\s()\\]|\\[^\n])`;
    const address = String.raw`<([^<>\n]{0,2000})>|((?:[^\s()\\]|\\[^\n]|\(${plain}*\)){0,2000})`;
    const title = String.raw`(?:\s{1,9}(?:"([^"]{0,500})"|'([^']{0,500})'))?`;
    return new RegExp(String.raw`\]\(\s{0,9}(?:${address})${title}\s{0,9}\)`, "y");
})();

/** Reads the text of one paragraph, heading or cell. */
class InlineParser {
    constructor(text) {
        this.text = text;
        this.at = 0;
        this.output = document.createDocumentFragment();
        /** Runs of *, _ and ~ that may open or close something. */
        this.delimiters = [];
        /** Brackets that may begin a link. */
        this.brackets = [];
        /** Lengths of runs of backticks that are known to have no partner further on. */
        this.missingFences = new Set();
    }

    /** The content as nodes. */
    static parse(text) {
        const parser = new InlineParser(text);
        while (parser.at < text.length) parser.step();
        parser.joinEmphasis(0);
        parser.output.normalize();
        return parser.output;
    }

    step() {
        switch (this.text[this.at]) {
        case "\\": return this.escape();
        case "`": return this.code();
        case "*": case "_": case "~": return this.delimiter();
        case "[": return this.bracket(1, false);
        case "!": return this.text[this.at + 1] === "[" ? this.bracket(2, true) : this.plain(1);
        case "]": return this.closeBracket();
        case "<": return this.angle();
        case "h": return this.bareAddress();
        case "&": return this.entity();
        case "\n": return this.lineEnd();
        default: return this.plain(this.match(/[^\\`*_~[\]!<h&\n]+/y)?.[0].length ?? 1);
        }
    }

    match(pattern) {
        pattern.lastIndex = this.at;
        return pattern.exec(this.text);
    }

    /** Takes characters as text. */
    plain(length) {
        const node = document.createTextNode(this.text.slice(this.at, this.at + length));
        this.output.append(node);
        this.at += length;
        return node;
    }

    add(node, length) {
        this.output.append(node);
        this.at += length;
    }

    escape() {
        const next = this.text[this.at + 1];
        if (next === "\n") return this.add(make("br"), 2);
        if (next === undefined || !escapable.test(next)) return this.plain(1);
        this.at += 1;
        return this.plain(1);
    }

    entity() {
        const found = this.match(/&([a-z]{2,4}|#39);/y);
        const text = found && Object.hasOwn(entities, found[1]) ? entities[found[1]] : null;
        return text === null ? this.plain(1) : this.add(document.createTextNode(text), found[0].length);
    }

    lineEnd() {
        const before = this.output.lastChild;
        const isHard = before?.nodeType === Node.TEXT_NODE && before.data.endsWith("  ");
        if (before?.nodeType === Node.TEXT_NODE) before.data = before.data.replace(/ {1,1000}$/, "");
        this.add(isHard ? make("br") : document.createTextNode("\n"), 1);
        this.at += this.match(/ */y)[0].length;
    }

    code() {
        const length = this.match(/`+/y)[0].length;
        const start = this.at + length;
        if (this.missingFences.has(length)) return this.plain(length);
        const runs = /`+/g;
        runs.lastIndex = start;
        for (let run = runs.exec(this.text); run; run = runs.exec(this.text)) {
            if (run[0].length !== length) continue;
            let text = this.text.slice(start, run.index).replaceAll("\n", " ");
            if (text.length > 2 && text.startsWith(" ") && text.endsWith(" ") && text.trim() !== "") {
                text = text.slice(1, -1);
            }
            return this.add(make("code", {}, text), runs.lastIndex - this.at);
        }
        this.missingFences.add(length);
        return this.plain(length);
    }

    /** `<https://…>`; every other angle bracket is text. */
    angle() {
        const found = this.match(/<([a-z][a-z0-9+.-]{1,31}:[^\s<>]{1,2000})>/iy);
        const address = found && safeAddress(found[1]);
        return address ? this.add(makeLink(address, found[1]), found[0].length) : this.plain(1);
    }

    bareAddress() {
        const isWord = this.at > 0 && /[\p{L}\p{N}_]/u.test(this.text[this.at - 1]);
        const found = isWord ? null : this.match(/https?:\/\/[^\s<>"`[\]\\]{1,2000}/y);
        if (!found) return this.plain(1);
        let text = found[0].replace(/[.,;:!?'*_~]{1,50}$/, "");
        while (text.endsWith(")") && text.split(")").length > text.split("(").length) text = text.slice(0, -1);
        const address = safeAddress(text);
        return address ? this.add(makeLink(address, text), text.length) : this.plain(1);
    }

    // Emphasis

    delimiter() {
        const sign = this.text[this.at];
        const length = this.match(/\*+|_+|~+/y)[0].length;
        const before = this.at === 0 ? " " : this.text[this.at - 1];
        const after = this.text[this.at + length] ?? " ";
        const node = this.plain(length);
        if (sign === "~" && length !== 2) return;
        const [spaceBefore, spaceAfter] = [before, after].map(c => /\s/u.test(c));
        const [markBefore, markAfter] = [before, after].map(c => /[\p{P}\p{S}]/u.test(c));
        const isLeft = !spaceAfter && (!markAfter || spaceBefore || markBefore);
        const isRight = !spaceBefore && (!markBefore || spaceAfter || markAfter);
        const canOpen = isLeft && (sign !== "_" || !isRight || markBefore);
        const canClose = isRight && (sign !== "_" || !isLeft || markAfter);
        if ((canOpen || canClose) && this.delimiters.length < delimiterLimit) {
            this.delimiters.push({ node, sign, length, count: length, canOpen, canClose });
        }
    }

    /** Joins the delimiters from `bottom` on, and forgets them. */
    joinEmphasis(bottom) {
        const list = this.delimiters;
        for (let closer = bottom; closer < list.length; closer += 1) {
            if (!list[closer].canClose) continue;
            for (let opener = closer - 1; opener >= bottom && list[closer].count > 0; opener -= 1) {
                if (!InlineParser.fits(list[opener], list[closer])) continue;
                this.wrap(list[opener], list[closer]);
                for (const between of list.slice(opener + 1, closer)) between.count = 0;
                if (list[opener].count > 0) opener += 1;
            }
        }
        list.length = bottom;
    }

    static fits(opener, closer) {
        if (opener.sign !== closer.sign || !opener.canOpen || opener.count === 0) return false;
        const isMixed = opener.canClose || closer.canOpen;
        return !isMixed || (opener.length + closer.length) % 3 !== 0
            || (opener.length % 3 === 0 && closer.length % 3 === 0);
    }

    wrap(opener, closer) {
        const width = opener.count >= 2 && closer.count >= 2 ? 2 : 1;
        const element = make(opener.sign === "~" ? "del" : width === 2 ? "strong" : "em");
        while (opener.node.nextSibling !== closer.node) element.append(opener.node.nextSibling);
        opener.node.after(element);
        for (const end of [opener, closer]) {
            end.count -= width;
            end.node.data = end.node.data.slice(width);
        }
    }

    // Links

    bracket(length, isImage) {
        const node = this.plain(length);
        if (this.brackets.length >= bracketLimit) return;
        this.brackets.push({ node, isImage, isActive: true, bottom: this.delimiters.length });
    }

    closeBracket() {
        const opener = this.brackets.pop();
        if (!opener?.isActive) return this.plain(1);
        const target = this.target();
        const address = target && safeAddress(target.address);
        if (!address) return this.plain(1);
        this.joinEmphasis(opener.bottom);
        const link = makeLink(address);
        while (opener.node.nextSibling) link.append(opener.node.nextSibling);
        for (const inner of link.querySelectorAll("a")) inner.replaceWith(...inner.childNodes);
        if (link.textContent === "") link.append(address);
        if (opener.isImage) link.prepend("image: ");  // pictures from elsewhere are never loaded
        if (target.title) link.title = target.title;
        opener.node.replaceWith(link);
        this.at += target.length;
        if (!opener.isImage) for (const earlier of this.brackets) earlier.isActive = earlier.isImage;
    }

    /** What follows the text of a link, if it is one. */
    target() {
        const found = this.match(linkTarget);
        if (!found) return null;
        return {
            address: (found[1] ?? found[2]).replace(/\\([!-/:-@[-`{-~])/g, "$1"),
            title: found[3] ?? found[4], length: found[0].length,
        };
    }
}
