/// Style sheet and script of a page.
enum PageAssets {
    static let style = """

        :root { color-scheme: light dark; --ink: #1f2328; --paper: #ffffff; --soft: #f5f6f8; --line: #d0d5dc;
          --accent: #2b5fa8; }
        @media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) {
          --ink: #e2e6eb; --paper: #15181d; --soft: #1f242b; --line: #39414c; --accent: #8ab4f0; } }
        :root[data-theme="dark"] { color-scheme: dark;
          --ink: #e2e6eb; --paper: #15181d; --soft: #1f242b; --line: #39414c; --accent: #8ab4f0; }
        :root[data-theme="light"] { color-scheme: light; }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
          font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
        header { display: flex; justify-content: space-between; align-items: center; gap: 1rem; padding: 1rem 2rem;
          border-bottom: 1px solid var(--line); background: var(--soft); }
        h1 { font-size: 1.4rem; margin: 0; min-width: 0; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
        h3 { font-size: 1rem; margin: 1rem 0 .3rem; }
        main { max-width: 1400px; margin: 0 auto; padding: 1rem 2rem 4rem; }
        nav { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; } a { color: var(--accent); }
        button { font: inherit; color: inherit; background: var(--soft); border: 1px solid var(--line);
          border-radius: 6px; padding: .2rem .7rem; cursor: pointer; flex: none; }
        .notice { border-left: 4px solid #d9822b; background: var(--soft); padding: .6rem 1rem; }
        .note, figcaption { font-size: .85rem; opacity: .8; }
        .wide { overflow: auto; max-height: 40rem; border: 1px solid var(--line); border-radius: 8px; }
        table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
        th, td { padding: .28rem .6rem; text-align: left; white-space: nowrap;
          border-bottom: 1px solid var(--line); }
        tbody tr:last-child td { border-bottom: 0; } tbody tr:hover { background: var(--soft); }
        thead th { background: var(--soft); position: sticky; top: 0; }
        th button { border: 0; background: none; padding: 0; font-weight: 600; white-space: nowrap; }
        th[aria-sort="ascending"] button::after { content: " ▲"; }
        th[aria-sort="descending"] button::after { content: " ▼"; }
        .number { text-align: right; }
        .charts { display: flex; flex-wrap: wrap; gap: 1rem; } .tiles { display: flex; flex-wrap: wrap; gap: .6rem; }
        figure { margin: 0; padding: .5rem; border: 1px solid var(--line); border-radius: 8px; max-width: 100%; }
        figure svg { display: block; max-width: 100%; height: auto; }
        .legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .86rem; }
        .key { display: inline-flex; align-items: center; gap: .3rem; border-color: transparent; background: none; }
        .key[aria-pressed="true"] { border-color: var(--line); background: var(--soft); }
        .picking .series:not(.picked) { opacity: .08; }
        details { margin: .4rem 0; } summary { cursor: pointer; padding: .2rem 0; }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; } dt { font-weight: 600; }
        dd { margin: 0; overflow-wrap: anywhere; }
        @media print { header button, nav { display: none; } }

        """

    static let script = """

        "use strict";
        for (const table of document.querySelectorAll("table")) {
          const heads = [...table.tHead.rows[0].cells];
          heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
            const isNumber = head.classList.contains("number");
            const before = head.getAttribute("aria-sort");
            const down = before ? before === "ascending" : isNumber;
            for (const other of heads) other.removeAttribute("aria-sort");
            head.setAttribute("aria-sort", down ? "descending" : "ascending");
            const key = row => {
              const cell = row.cells[column];
              if (!isNumber) return cell.textContent;
              return cell.dataset.key === "" ? null : Number(cell.dataset.key);
            };
            const rows = [...table.tBodies[0].rows];
            rows.sort((a, b) => {
              const [x, y] = [key(a), key(b)];
              if (x === null || y === null) return (x === null) - (y === null);
              const order = isNumber ? x - y : x.localeCompare(y);
              return down ? -order : order;
            });
            table.tBodies[0].append(...rows);
          }));
        }
        for (const key of document.querySelectorAll(".key")) key.addEventListener("click", () => {
          const isPicked = key.getAttribute("aria-pressed") !== "true";
          key.setAttribute("aria-pressed", isPicked);
          for (const series of document.querySelectorAll(`.series[data-series="${key.dataset.series}"]`))
            series.classList.toggle("picked", isPicked);
          document.getElementById("pareto").classList
            .toggle("picking", document.querySelector(".key[aria-pressed=true]") !== null);
        });
        document.getElementById("theme").addEventListener("click", () => {
          const root = document.documentElement;
          const isDark = root.dataset.theme ? root.dataset.theme === "dark"
            : matchMedia("(prefers-color-scheme: dark)").matches;
          root.dataset.theme = isDark ? "light" : "dark";
        });

        """
}
