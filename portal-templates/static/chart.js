// A chart that can be zoomed, made of the table beside the server's picture. Without this the picture stays.
"use strict";

document.querySelectorAll("[data-chart]").forEach((figure) => {
  const rows = [...figure.querySelectorAll("tr[data-at]")].reverse();
  if (typeof uPlot === "undefined" || rows.length < 2) return;
  const column = (name) => rows.map((row) => Number(row.dataset[name]));
  const words = [...figure.querySelectorAll("thead th")].map((cell) => cell.textContent);
  const units = figure.dataset.units.split(" ");
  const language = document.documentElement.lang;
  const colour = (name) => getComputedStyle(figure).getPropertyValue(name).trim();

  const size = (bytes) => {
    const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
    const scaled = (bytes / 1024 ** power).toLocaleString(language, { maximumFractionDigits: 1 });
    return `${scaled}\u00a0${units[power]}`;
  };
  const date = (at, options) => new Date(at * 1e3).toLocaleDateString(language, { ...options, timeZone: "UTC" });
  const shortDates = (_, all) => {
    const isLong = all.length > 1 && all[all.length - 1] - all[0] > 300 * 86400;
    return all.map((at) => date(at, isLong ? { month: "short", year: "numeric" } : { day: "numeric", month: "short" }));
  };

  const picture = figure.querySelector("svg");
  const place = document.createElement("div");
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", picture.getAttribute("aria-label"));
  picture.replaceWith(place);
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = figure.dataset.hint;
  place.after(hint);

  const room = () => ({ width: Math.max(place.clientWidth, 200), height: 220 });
  const lines = { stroke: colour("--soft"), grid: { stroke: colour("--line") }, ticks: { stroke: colour("--line") } };
  const line = (label, stroke, more) => ({ label, stroke, width: 2, value: (_, bytes) => (bytes === null ? "" : size(bytes)), ...more });
  const chart = new uPlot({
    ...room(),
    tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "UTC"),
    series: [
      { label: words[0], value: (_, at) => (at === null ? "" : date(at, { dateStyle: "medium" })) },
      line(words[1], colour("--brand"), { fill: colour("--plain-soft") }),
      line(words[2], colour("--other"), { dash: [6, 4] }),
    ],
    axes: [
      { ...lines, values: shortDates },
      { ...lines, size: 84, incrs: Array.from({ length: 60 }, (_, power) => 2 ** power), values: (_, all) => all.map(size) },
    ],
    scales: { y: { range: (_, __, most) => [0, most * 1.05 || 1] } },
    cursor: { drag: { x: true, y: false } },
  }, [column("at"), column("used"), column("total")], place);
  new ResizeObserver(() => chart.setSize(room())).observe(place);
});
