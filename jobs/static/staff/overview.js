/* Draws each table of the overview as a chart, and fetches new figures while the page is visible. */
"use strict";

const overview = document.getElementById("overview");
const RENEW_MS = 30_000;
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
let charts = [];
Chart.defaults.locale = "en"; // as the tables

/* The variable's colour as the page shows it: only a real property resolves light-dark(). */
function colour(name) {
  overview.style.outlineColor = `var(--${name})`;
  return getComputedStyle(overview).outlineColor;
}

function numbers(rows, column) {
  return rows.map((row) => {
    const text = row.cells[column].textContent.trim().replaceAll(",", "");
    return text === "" ? null : Number(text);
  });
}

/* The list of what a bar or a point counts: the cell's own, or that of the whole row. */
function linkOf(chart, rows, event) {
  const [found] = chart.getElementsAtEventForMode(event, "nearest", { intersect: false }, false);
  const row = found && rows[found.index];
  return row && (row.cells[found.datasetIndex + 1].querySelector("a") ?? row.querySelector("a"));
}

function follow(link) {
  if (link) location.assign(link.href);
}

function draw(figure, animate) {
  const canvas = figure.querySelector("canvas");
  if (!canvas) return null;
  const rows = [...figure.querySelectorAll("tbody tr")];
  const heads = [...figure.querySelectorAll("thead th")].slice(1);
  const { chart: type, unit = "", most } = figure.dataset;
  const lying = "horizontal" in figure.dataset;
  const stacked = "stacked" in figure.dataset;
  const text = colour("body-quiet-color"), line = colour("hairline-color");
  const axis = { stacked, ticks: { color: text }, grid: { color: line } };
  const values = { ...axis, beginAtZero: true, suggestedMax: Number(most) || undefined };
  values.ticks = { color: text, precision: 0, callback: (value) => `${value.toLocaleString("en")}${unit}` };
  const names = { ...axis, ticks: { color: text, maxRotation: 0, autoSkipPadding: 8 } };
  return new Chart(canvas, {
    type,
    data: {
      labels: rows.map((row) => row.cells[0].textContent.trim()),
      datasets: heads.map((head, index) => ({
        label: head.textContent.trim(),
        data: numbers(rows, index + 1),
        backgroundColor: colour(head.dataset.color),
        borderColor: colour(head.dataset.color),
        borderWidth: type === "line" ? 2 : 0,
        pointRadius: 2,
        spanGaps: true,
      })),
    },
    options: {
      onClick: (event, found, chart) => follow(linkOf(chart, rows, event)),
      onHover: (event, found, chart) => {
        canvas.style.cursor = linkOf(chart, rows, event) ? "pointer" : "default";
      },
      animation: animate && !still ? { duration: 300 } : false,
      indexAxis: lying ? "y" : "x",
      interaction: { mode: "index", axis: lying ? "y" : "x", intersect: false },
      maintainAspectRatio: false,
      plugins: { legend: { display: heads.length > 1, labels: { color: text, boxWidth: 12 } } },
      scales: lying ? { x: values, y: names } : { x: names, y: values },
    },
  });
}

function drawAll(animate) {
  charts.forEach((chart) => chart.destroy());
  charts = [...overview.querySelectorAll("figure[data-chart]")].map((each) => draw(each, animate)).filter(Boolean);
}

async function renew() {
  if (document.hidden || overview.contains(document.activeElement)) return;
  const open = [...overview.querySelectorAll("details")].map((each) => each.open);
  try {
    const answer = await fetch(overview.dataset.source, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    overview.innerHTML = await answer.text();
  } catch {
    return; // keep the old figures until the next try
  }
  overview.querySelectorAll("details").forEach((each, index) => { each.open = Boolean(open[index]); });
  drawAll(false);
}

drawAll(true);
setInterval(renew, RENEW_MS);
document.addEventListener("visibilitychange", renew);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(false));
new MutationObserver(() => drawAll(false)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
