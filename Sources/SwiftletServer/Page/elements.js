"use strict";

// Elements and small tools. Text is only ever set as text: nothing here, or in any other file, makes elements of it.

/** Finds an element of the page by its id. */
const byId = id => document.getElementById(id);

/**
 * Makes an element: `make("button.plain.quiet", { type: "button", onclick: f }, "Text", child)`.
 * Names that begin with "on" are listeners, `data` fills the data set, the others are attributes or, where the
 * element has one, properties.
 */
function make(kind, attributes = {}, ...children) {
    const [name, ...classes] = kind.split(".");
    const element = document.createElement(name);
    if (classes.length > 0) element.classList.add(...classes);
    for (const [key, value] of Object.entries(attributes)) {
        if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
        else if (key === "data") Object.assign(element.dataset, value);
        else if (key.includes("-") || !(key in element)) element.setAttribute(key, value);
        else element[key] = value;
    }
    element.append(...children.filter(child => child !== null && child !== undefined));
    return element;
}

/** Paths of the icons, drawn with strokes in a square of 24. */
const iconPaths = {
    auto: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
    cache: "M4 5h16M4 12h10M4 19h6",
    close: "M6 6l12 12M18 6L6 18",
    copy: "M9 9h11v11H9zM5 15H4V4h11v1",
    dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
    done: "M5 13l4 4L19 7",
    down: "M12 5v14M6 13l6 6 6-6",
    download: "M12 4v11M7 11l5 5 5-5M5 20h14",
    edit: "M4 20h4L19 9l-4-4L4 16z",
    grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
    light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2"
        + "M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
    menu: "M4 7h16M4 12h16M4 17h16",
    plus: "M12 5v14M5 12h14",
    redo: "M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6",
    send: "M12 19V6M6 11l6-6 6 6",
    sliders: "M4 8h9M17 8h3M15 6v4M4 16h3M11 16h9M9 14v4",
    stop: "M7 7h10v10H7z",
    trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
};

/** An icon as an SVG element. */
function icon(name) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.classList.add("icon");
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", iconPaths[name]);
    svg.append(path);
    return svg;
}

/** Puts an icon into a button, in place of the one it has. */
function setIcon(button, name) {
    button.querySelector(".icon")?.remove();
    button.prepend(icon(name));
}

/** A button with an icon and a label that is read but not shown. */
function iconButton(name, label, onclick) {
    return make("button.plain", { type: "button", "aria-label": label, title: label, onclick }, icon(name));
}

/** Copies text; also where the page is not served securely and browsers offer no clipboard. */
async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const field = make("textarea.hidden", { value: text, readOnly: true, tabIndex: -1 });
        const focused = document.activeElement;
        document.body.append(field);
        field.select();
        const isDone = document.execCommand("copy");
        field.remove();
        focused?.focus();
        return isDone;
    }
}

/** A button that copies what `text` returns, and says that it did. */
function copyButton(label, text) {
    const button = iconButton("copy", label, async () => {
        const isDone = await copyText(text());
        setIcon(button, isDone ? "done" : "close");
        speak(isDone ? "Copied." : "Nothing could be copied.");
        setTimeout(() => setIcon(button, "copy"), 1500);
    });
    return button;
}

/** Has text read by a screen reader. */
function speak(text) {
    const log = byId("spoken");
    log.append(make("p", {}, text));
    while (log.childElementCount > 20) log.firstElementChild.remove();
}

let toastTimer = 0;

/** Shows a short message, with something to do about it. */
function toast(text, action, onclick) {
    const box = byId("toast");
    clearTimeout(toastTimer);
    box.replaceChildren(make("span", {}, text));
    if (action) {
        box.append(make("button", { type: "button", onclick: () => { box.hidden = true; onclick(); } }, action));
    }
    box.hidden = false;
    toastTimer = setTimeout(() => { box.hidden = true; }, 8000);
}

/** Has the browser save text as a file. */
function download(name, text, type) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    make("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Bytes in the unit that suits them. */
function formatBytes(bytes) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (bytes >= 1024 && unit + 1 < units.length) { bytes /= 1024; unit += 1; }
    return `${unit === 0 || bytes >= 100 ? Math.round(bytes) : bytes.toFixed(bytes >= 10 ? 1 : 2)} ${units[unit]}`;
}

/** A whole number with thin spaces between thousands. */
const formatCount = count => String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, "\u202f");

/** A share as a percentage. */
const formatShare = share => `${(share * 100).toFixed(share > 0 && share < 0.095 ? 1 : 0)}\u202f%`;

/** Tokens in a second. */
const formatRate = rate => `${rate.toFixed(rate < 10 ? 1 : 0)} per second`;

/** "1 token", "2 tokens". */
const counted = (count, word) => `${formatCount(count)} ${word}${count === 1 ? "" : "s"}`;
