#include "models/report_parts.h"

namespace earshot {

std::string style_sheet() {
  return R"css(
:root { color-scheme: light dark; --page: #faf9f6; --panel: #ffffff; --ink: #24272c;
  --soft: #6c717a; --line: #e5e2dc; --m0: #d9802a; --m1: #2b87a8; --m2: #5c4db1; --m3: #8b9099;
  --right: #2d8f6f; --wrong: #cb4b3f; --over: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --page: #141619; --panel: #1b1e22; --ink: #e7e5e0;
  --soft: #9aa0a9; --line: #2f3339; --m0: #eda157; --m1: #5fb6d4; --m2: #a698ef; --m3: #868c95;
  --right: #4fb892; --wrong: #ea7567; --over: #141619; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1144px; margin: 0 auto; padding: 44px 32px 64px; }
header { margin-bottom: 28px; }
h1 { font-size: 30px; font-weight: 650; letter-spacing: -0.02em; line-height: 1.2; margin: 0;
  overflow-wrap: anywhere; }
h2 { font-size: 18px; font-weight: 620; letter-spacing: -0.01em; margin: 0 0 14px;
  overflow-wrap: anywhere; }
h3 { font-size: 15px; font-weight: 620; margin: 22px 0 8px; }
.kicker { color: var(--soft); margin: 0 0 6px; }
.facts { color: var(--soft); margin: 10px 0 0; overflow-wrap: anywhere; }
.facts span + span::before { content: "·"; margin: 0 9px; }
.remarks { margin: 20px 0 0; padding: 11px 16px; border-left: 3px solid var(--m0);
  background: var(--panel); overflow-wrap: anywhere; }
section { background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
  padding: 22px 26px; margin-bottom: 20px; }
.soft { color: var(--soft); }
.note { color: var(--soft); font-size: 13px; margin: 12px 0 0; max-width: 110ch; }
.confusion { display: flex; flex-wrap: wrap; gap: 8px 48px; margin-top: 14px; }
.confusion > div { flex: 1 1 320px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; font-weight: 400; padding: 6px 14px 6px 0; vertical-align: middle;
  border-bottom: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-size: 13px; padding-bottom: 4px; }
tbody tr:last-child > * { border-bottom: 0; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.scores tbody th { white-space: nowrap; }
.scores td.plot { padding-top: 0; padding-bottom: 0; }
.scores svg { display: block; }
b { font-weight: 620; }
.best th { font-weight: 620; }
small { color: var(--soft); font-size: 13px; }
.dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 10px; font-size: 13px; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 20px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 0 32px;
  align-items: start; }
figure { margin: 0; }
figcaption { font-size: 14px; margin-bottom: 4px; }
svg.chart { display: block; width: 100%; height: auto; }
svg text { font-size: 11.5px; fill: var(--ink); font-variant-numeric: tabular-nums; }
svg.chart text.soft, .scores svg text { fill: var(--soft); }
.grid { stroke: var(--line); }
.whisker { stroke-width: 3; stroke-linecap: round; opacity: 0.45; }
path { fill: none; stroke-width: 1.6; opacity: 0.85; stroke-linejoin: round; stroke-linecap: round; }
path.train { stroke-width: 1.3; opacity: 0.38; }
svg circle { stroke: var(--panel); stroke-width: 1.2; }
i.m0 { background: var(--m0); } i.m1 { background: var(--m1); }
i.m2 { background: var(--m2); } i.m3 { background: var(--m3); }
path.m0, .m0 .whisker { stroke: var(--m0); } path.m1, .m1 .whisker { stroke: var(--m1); }
path.m2, .m2 .whisker { stroke: var(--m2); } path.m3, .m3 .whisker { stroke: var(--m3); }
rect.m0, circle.m0, .m0 circle { fill: var(--m0); } rect.m1, circle.m1, .m1 circle { fill: var(--m1); }
rect.m2, circle.m2, .m2 circle { fill: var(--m2); } rect.m3, circle.m3, .m3 circle { fill: var(--m3); }
.floor { fill: var(--line); opacity: 0.45; }
rect.right { fill: var(--right); } rect.wrong { fill: var(--wrong); }
svg text.count { font-size: 9.5px; pointer-events: none; } svg text.over { fill: var(--over); }
.pairs { columns: 2 360px; column-gap: 44px; margin: 8px 0 0; padding: 0; list-style: none; }
.pairs li { display: flex; justify-content: space-between; gap: 16px; padding: 4px 0;
  border-bottom: 1px solid var(--line); break-inside: avoid; }
.pairs li > :last-child { white-space: nowrap; }
.clips { font-size: 14px; }
.clips .file { font: 13px ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.clips td { unicode-bidi: isolate; }
.guess { display: flex; justify-content: space-between; gap: 10px; }
.hit { color: var(--right); }
.thin { display: block; width: 100%; height: 3px; }
footer { color: var(--soft); font-size: 13px; margin-top: 28px; }
@media (max-width: 600px) { main { padding: 24px 14px; } section { padding: 16px; }
  .columns { grid-template-columns: 1fr; } }
@media print { body { background: none; } section { break-inside: avoid; } }
)css";
}

}  // namespace earshot
