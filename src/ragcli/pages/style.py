"""The one style sheet and the one script of every page. Both hold no ``<`` and no ``&``, so that pages are XML."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark;
  --ground: #ffffff; --raised: #f5f6f8; --ink: #1b1f24; --faint: #59636e; --rule: #d5dae0;
  --a: #1d5fd0; --b: #b3470b; --c: #14795a; --d: #7a3fb5; --on: #ffffff;
  --note: #eef3fc; --good: #eaf6ef; --warning: #fdf3e3; --bad: #fdecea; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171b; --raised: #1e2329; --ink: #e7eaee; --faint: #a3adb8; --rule: #3a424c;
  --a: #7fb0ff; --b: #ffa266; --c: #5fd0a4; --d: #cda3ff; --on: #101316;
  --note: #1a2536; --good: #15291f; --warning: #33270f; --bad: #3a1c1a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem) 3rem; max-width: 72rem; background: var(--ground);
  color: var(--ink); line-height: 1.55; overflow-wrap: break-word;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC",
    "Noto Sans SC", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 2.5rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--rule); }
p, ul { margin: .5rem 0; max-width: 46rem; }
ul { padding-left: 1.25rem; }
.lead, .how, footer, dt, caption { color: var(--faint); }
footer { margin-top: 3rem; font-size: .85rem; }
code { font-family: ui-monospace, "SF Mono", Consolas, monospace; font-size: .92em; }
.note, .good, .warning, .bad { margin: 1rem 0; padding: .75rem 1rem; border-radius: .4rem; border-left: .3rem solid; }
.note { background: var(--note); border-color: var(--a); } .good { background: var(--good); border-color: var(--c); }
.warning { background: var(--warning); border-color: var(--b); }
.bad { background: var(--bad); border-color: #d03b2f; }
.heading { display: block; }
.note p, .good p, .warning p, .bad p, .warning ul, .bad ul { max-width: none; margin: .25rem 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .4rem 1.5rem;
  margin: 1rem 0; }
.facts dt { font-size: .85rem; } .facts dd { margin: 0; }
.scroll { overflow-x: auto; margin: 1rem 0; }
.scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--a); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; min-width: 100%; }
caption { text-align: left; font-size: .85rem; padding-bottom: .4rem; }
th, td { padding: .35rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule);
  white-space: nowrap; font-weight: normal; }
thead th { font-weight: 600; vertical-align: bottom; border-bottom-width: 2px; }
th:first-child, td:first-child { padding-left: 0; }
tr.strong th, tr.strong td { font-weight: 600; background: var(--good); }
tr.strong th:first-child { padding-left: .35rem; }
.number { text-align: right; } .wide { white-space: normal; min-width: 14rem; }
.sortable th[data-sort].ready { cursor: pointer; }
.sortable th[aria-sort=ascending]::after { content: " \\25B2"; }
.sortable th[aria-sort=descending]::after { content: " \\25BC"; }
details { margin: .75rem 0; } summary { cursor: pointer; }
figure { margin: 1.5rem 0; padding: 1rem; background: var(--raised); border-radius: .5rem; break-inside: avoid; }
figcaption { margin-bottom: .75rem; } figcaption strong { display: block; }
.how { display: block; font-size: .85rem; }
.plot { margin: .25rem 1rem 2.75rem 3rem; } .plot.bare { margin: .25rem 0; }
.plot svg, .lane svg { display: block; width: 100%; overflow: visible; }
svg text { fill: var(--ink); font-size: 12px; } svg .faint { fill: var(--faint); }
.rule { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--faint); stroke-width: 1; }
.whisker { stroke-width: 2; stroke-linecap: round; } .halo { stroke: var(--raised); stroke-width: 2; }
.k0 { --k: var(--a); } .k1 { --k: var(--b); } .k2 { --k: var(--c); } .k3 { --k: var(--d); }
.fill { fill: var(--k); } .line { stroke: var(--k); }
svg .inside { fill: var(--on); font-size: 10px; font-weight: 700; }
.ring { fill: none; stroke: var(--k); stroke-width: 2; } .up { fill: var(--a); } .down { fill: var(--b); }
.lanes { display: grid; grid-template-columns: minmax(8rem, max-content) minmax(6rem, 1fr) max-content;
  gap: 0 .9rem; align-items: center; }
.lane { display: contents; } .lane > .name { overflow-wrap: anywhere; max-width: 26rem; }
.lane > .value { text-align: right; font-variant-numeric: tabular-nums; }
.lane.strong > .name, .lane.strong > .value { font-weight: 600; }
.lane .sub { display: block; color: var(--faint); font-size: .8rem; font-weight: normal; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; margin: .5rem 0 0;
  font-size: .9rem; max-width: none; }
.legend svg { width: 20px; height: 20px; vertical-align: -5px; margin-right: .35rem; overflow: visible; }
@media (max-width: 640px) {
  h1 { font-size: 1.35rem; } figure { padding: .75rem; } .plot { margin-right: .5rem; margin-left: 2.5rem; }
  .plot.bare { margin: .25rem 0; }
  .lanes { grid-template-columns: 1fr max-content; gap: 0 .75rem; }
  .lane > .name { grid-column: 1 / -1; max-width: none; margin-top: .5rem; } .lane.scale > .name { display: none; } }
@media print {
  :root { --ground: #ffffff; --raised: #ffffff; --ink: #000000; --faint: #444444; --rule: #bbbbbb; --on: #ffffff;
    --a: #1d5fd0; --b: #b3470b; --c: #14795a; --d: #7a3fb5; --note: #ffffff; --good: #ffffff; --warning: #ffffff;
      --bad: #ffffff; }
  body { max-width: none; padding: 0; font-size: 10pt; } figure { border: 1px solid var(--rule); }
  table { font-size: 8pt; } th, td { white-space: normal; padding: .2rem .3rem; } .scroll { overflow: visible; }
  h2 { break-after: avoid; } tr { break-inside: avoid; } tbody th { min-width: 9rem; } .wide { min-width: 0; }
  details::details-content { content-visibility: visible; block-size: auto; } }
"""

# Sorts a table by a click, or Enter, on a head: by `data-key`, else by text; numbers as numbers; first the largest.
SCRIPT = """
document.querySelectorAll("table.sortable").forEach(function (table) {
  var body = table.tBodies[0];
  table.querySelectorAll("th[data-sort]").forEach(function (head, at) {
    function key(row) {
      var cell = row.cells[at];
      return cell.dataset.key === undefined ? cell.textContent : cell.dataset.key;
    }
    function sort() {
      var down = head.getAttribute("aria-sort") !== "descending";
      var rows = Array.from(body.rows);
      rows.sort(function (one, other) {
        var a = key(one), b = key(other);
        var difference = Number(a) - Number(b);
        if (isNaN(difference)) { difference = a.localeCompare(b); }
        return down ? -difference : difference;
      });
      rows.forEach(function (row) { body.appendChild(row); });
      table.querySelectorAll("th[data-sort]").forEach(function (one) { one.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
    }
    head.classList.add("ready");
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", function (event) { if (event.key === "Enter") { sort(); } });
  });
});
"""
