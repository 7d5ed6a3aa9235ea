"use strict";

// Markdown made of lines: headings, lists, code, quotes, tables. It makes nodes, never markup: whatever a model
// writes, the page only gets elements that are named here.

/** Deepest nesting of quotes and lists; what is deeper is text. */
const blockDepthLimit = 16;

/** Most columns of a table. */
const tableLimit = 64;

const isBlank = line => /^\s*$/.test(line);
const indentOf = line => line.length - line.trimStart().length;
const fencePattern = /^ {0,3}(`{3,}|~{3,})([^\n]*)$/;
const rulePattern = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const itemPattern = /^( {0,3})([-+*]|\d{1,9}[.)])(?:( {1,4})(?! )|( {5,})|$)/;

/**
 * Blocks of Markdown. Every reader takes the number of its first line, and returns `null` or a block: the number of
 * the line after it, and how to build its node.
 */
class BlockParser {
    constructor(lines, depth = 0) {
        this.lines = lines;
        this.depth = depth;
    }

    /** All blocks, each with the text that it comes from. */
    blocks() {
        const blocks = [];
        for (let at = 0; at < this.lines.length;) {
            if (isBlank(this.lines[at])) { at += 1; continue; }
            const block = (this.depth < blockDepthLimit ? this.special(at) : null) ?? this.paragraph(at);
            block.source = this.lines.slice(at, block.end).join("\n");
            blocks.push(block);
            at = block.end;
        }
        return blocks;
    }

    special(at) {
        return this.fence(at) ?? this.heading(at) ?? this.rule(at) ?? this.quote(at) ?? this.list(at)
            ?? this.table(at);
    }

    /** Whether a line begins something that ends a paragraph. */
    interrupts(at) {
        const line = this.lines[at];
        const item = itemPattern.exec(line);
        const beginsList = item && !isBlank(line.slice(item[0].length)) && !/^(?!1[.)])\d/.test(item[2]);
        return beginsList || this.fence(at) || this.heading(at) || this.rule(at) || /^ {0,3}>/.test(line)
            || this.isTable(at);
    }

    /** Nodes of lines within a block. */
    inner(lines) {
        return new BlockParser(lines, this.depth + 1).blocks();
    }

    // Code

    fence(at) {
        const open = fencePattern.exec(this.lines[at]);
        if (!open || (open[1][0] === "`" && open[2].includes("`"))) return null;
        const indent = indentOf(this.lines[at]);
        const close = new RegExp(`^ {0,3}\\${open[1][0]}{${open[1].length},}[ \\t]*$`);
        let end = at + 1;
        while (end < this.lines.length && !close.test(this.lines[end])) end += 1;
        const code = this.lines.slice(at + 1, end)
            .map(line => line.slice(Math.min(indentOf(line), indent))).join("\n");
        const language = open[2].trim().split(/\s+/)[0].slice(0, 40);
        return { end: Math.min(end + 1, this.lines.length), build: () => BlockParser.code(code, language) };
    }

    static code(code, language) {
        const pre = make("pre", { tabIndex: 0 }, make("code", {}, code));
        const head = make(
            "figcaption", {}, make("span", {}, language || "text"), copyButton("Copy this code", () => code));
        return make("figure.code", {}, head, pre);
    }

    // One line

    heading(at) {
        const open = /^ {0,3}(#{1,6})(?=[ \t]|$)/.exec(this.lines[at]);
        if (!open) return null;
        let text = this.lines[at].slice(open[0].length).trim();
        const marks = text.length - text.replace(/#{1,100}$/, "").length;
        if (marks > 0 && (marks === text.length || /[ \t]/.test(text[text.length - marks - 1]))) {
            text = text.slice(0, text.length - marks).trimEnd();
        }
        return BlockParser.headingBlock(at + 1, open[1].length, text);
    }

    /** The page has two levels of headings of its own. */
    static headingBlock(end, level, text) {
        return { end, build: () => make(`h${Math.min(level + 2, 6)}`, {}, InlineParser.parse(text)) };
    }

    rule(at) {
        return rulePattern.test(this.lines[at]) ? { end: at + 1, build: () => make("hr") } : null;
    }

    // Quotes

    quote(at) {
        if (!/^ {0,3}>/.test(this.lines[at])) return null;
        const inside = [];
        let end = at;
        for (; end < this.lines.length; end += 1) {
            const open = /^ {0,3}> ?/.exec(this.lines[end]);
            const goesOn = !open && !isBlank(this.lines[end]) && !isBlank(inside.at(-1)) && !this.interrupts(end);
            if (!open && !goesOn) break;
            inside.push(open ? this.lines[end].slice(open[0].length) : this.lines[end]);
        }
        return {
            end, build: () => make("blockquote", {}, ...this.inner(inside).map(block => block.build())),
        };
    }

    // Lists

    list(at) {
        const first = itemPattern.exec(this.lines[at]);
        if (!first) return null;
        const sign = first[2].at(-1);
        const items = [];
        let end = at, isLoose = false;
        while (end < this.lines.length) {
            const open = rulePattern.test(this.lines[end]) ? null : itemPattern.exec(this.lines[end]);
            if (!open || open[2].at(-1) !== sign) break;
            const item = this.item(end, open);
            items.push(item.lines);
            isLoose ||= item.hasGap;
            end = item.end;
            let next = end;
            while (next < this.lines.length && isBlank(this.lines[next])) next += 1;
            if (next === end) continue;
            if (next === this.lines.length) break;
            const follows = itemPattern.exec(this.lines[next]);
            if (!follows || follows[2].at(-1) !== sign || rulePattern.test(this.lines[next])) break;
            isLoose = true;
            end = next;
        }
        const isOrdered = /\d/.test(first[2]);
        return { end, build: () => this.buildList(items, isLoose, isOrdered ? parseInt(first[2], 10) : null) };
    }

    /** The lines of an item without their indent. */
    item(at, open) {
        const outer = open[1].length;
        const indent = open[0].length - (open[4] ? open[4].length - 1 : 0) + (open[3] || open[4] ? 0 : 1);
        const lines = [this.lines[at].slice(indent)];
        let end = at + 1, hasGap = false;
        for (; end < this.lines.length; end += 1) {
            const line = this.lines[end];
            if (isBlank(line)) { lines.push(""); continue; }
            const own = indentOf(line);
            const isAfterGap = lines.at(-1) === "";
            // Models indent by two columns where a list of numbers would ask for three.
            const isInside = own >= Math.min(indent, outer + 2);
            if (!isInside && (isAfterGap || itemPattern.test(line) || this.interrupts(end))) break;
            if (isInside && isAfterGap) hasGap = true;
            lines.push(line.slice(Math.min(own, indent)));
        }
        while (lines.length > 1 && lines.at(-1) === "") { lines.pop(); end -= 1; }
        return { lines, end, hasGap };
    }

    buildList(items, isLoose, start) {
        const list = make(start === null ? "ul" : "ol");
        if (start !== null && start !== 1) list.start = start;
        for (const lines of items) {
            const task = /^\[([ xX])\] /.exec(lines[0]);
            if (task) lines[0] = (task[1] === " " ? "☐ " : "☑ ") + lines[0].slice(4);
            const item = make("li");
            for (const block of this.inner(lines)) {
                const node = block.build();
                if (!isLoose && node.localName === "p") item.append(...node.childNodes);
                else item.append(node);
            }
            list.append(item);
        }
        return list;
    }

    // Tables

    static cells(line) {
        const cells = [""];
        const text = line.trim();
        for (let at = 0; at < text.length; at += 1) {
            if (text[at] === "\\" && text[at + 1] === "|") { cells[cells.length - 1] += "|"; at += 1; }
            else if (text[at] === "|") cells.push("");
            else cells[cells.length - 1] += text[at];
        }
        if (cells.length > 1 && text.startsWith("|")) cells.shift();
        if (cells.length > 1 && text.endsWith("|") && !text.endsWith("\\|")) cells.pop();
        return cells.map(cell => cell.trim());
    }

    isTable(at) {
        const [head, rule] = [this.lines[at], this.lines[at + 1]];
        if (!rule || !head.includes("|") || !/^[ \t|:-]+$/.test(rule) || !rule.includes("-")) return false;
        const marks = BlockParser.cells(rule);
        if (marks.length > tableLimit) return false;
        return marks.every(mark => /^:?-+:?$/.test(mark)) && marks.length === BlockParser.cells(head).length;
    }

    table(at) {
        if (!this.isTable(at)) return null;
        const sides = BlockParser.cells(this.lines[at + 1]).map(mark =>
            mark.endsWith(":") ? (mark.startsWith(":") ? "center" : "right") : "left");
        const rows = [];
        let end = at + 2;
        for (; end < this.lines.length; end += 1) {
            if (isBlank(this.lines[end]) || !this.lines[end].includes("|")) break;
            rows.push(BlockParser.cells(this.lines[end]));
        }
        const head = BlockParser.cells(this.lines[at]);
        return { end, build: () => BlockParser.buildTable(head, rows, sides) };
    }

    static buildTable(head, rows, sides) {
        const row = (kind, cells) => make("tr", {}, ...sides.map((side, index) => {
            const cell = make(`${kind}.${side}`, {}, InlineParser.parse(cells[index] ?? ""));
            if (kind === "th") cell.scope = "col";
            return cell;
        }));
        const body = make("tbody", {}, ...rows.map(cells => row("td", cells)));
        return make(
            "div.wide-table", { tabIndex: 0, role: "group", "aria-label": "Table" },
            make("table", {}, make("thead", {}, row("th", head)), body));
    }

    // Paragraphs

    paragraph(at) {
        let end = at + 1;
        for (; end < this.lines.length && !isBlank(this.lines[end]); end += 1) {
            const under = /^ {0,3}(=+|-+)[ \t]*$/.exec(this.lines[end]);
            if (under && this.depth < blockDepthLimit) {
                const text = this.lines.slice(at, end).join("\n").trim();
                return BlockParser.headingBlock(end + 1, under[1][0] === "=" ? 1 : 2, text);
            }
            if (this.depth < blockDepthLimit && this.interrupts(end)) break;
        }
        const text = this.lines.slice(at, end).map(line => line.trimStart()).join("\n").trimEnd();
        return { end, build: () => make("p", {}, InlineParser.parse(text)) };
    }
}

/** Text that grows, shown as Markdown. Blocks that did not change keep their nodes, and with them their selection. */
class MarkdownText {
    constructor(element) {
        this.element = element;
        this.sources = [];
    }

    /** Shows a text; what was shown before is usually its beginning. */
    show(text) {
        const lines = text.replace(/\r\n?/g, "\n").replaceAll("\t", "    ").split("\n");
        const blocks = new BlockParser(lines).blocks();
        let same = 0;
        while (same < blocks.length && this.sources[same] === blocks[same].source) same += 1;
        while (this.element.childNodes.length > same) this.element.lastChild.remove();
        this.element.append(...blocks.slice(same).map(block => block.build()));
        this.sources = blocks.map(block => block.source);
    }
}
