/**
 * The chart of users by day, and the same numbers as a table.
 */
import { html, svg } from "./elements.js";

const SERIES = ["sent", "unchanged", "rejected"];
const [HEIGHT, LEFT, BOTTOM] = [150, 44, 22];
const PLOT = HEIGHT - BOTTOM - 10;
const LEAST_HEIGHT = 2; // so that a few rejects among millions are visible
const WIDE = { width: 720, daysBetweenLabels: 5 };
const NARROW = { width: 340, daysBetweenLabels: 10 };

/**
 * @param {import("./history.js").Day[]} days
 * @param {import("./language.js").Language} language
 * @param {boolean} isNarrow whether the screen is as narrow as that of a phone
 * @returns {HTMLElement}
 */
export function chart(days, language, isNarrow) {
  const { width, daysBetweenLabels } = isNarrow ? NARROW : WIDE;
  const top = roundUp(Math.max(...days.map((day) => SERIES.reduce((sum, name) => sum + day[name], 0))));
  const step = (width - LEFT) / days.length;
  const columns = days.map((day, index) => column(day, LEFT + index * step, step, top, language));
  return html(
    "figure",
    {},
    svg(
      "svg",
      { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": about(days, language) },
      ...[0, 0.5, 1].map((share) => gridLine(share * top, share, width, language)),
      ...columns,
      ...dayLabels(days, step, daysBetweenLabels, language),
    ),
    legend(language),
    table(days, language),
  );
}

/** Return a sentence with the sums of the numbers, for screen readers. */
function about(days, language) {
  const sums = Object.fromEntries(SERIES.map((name) => [name, days.reduce((sum, day) => sum + day[name], 0)]));
  const [from, to] = [days[0], days[days.length - 1]].map(({ date }) => language.day(date));
  return language.say("history_about", { from, to, ...sums });
}

function column(day, x, step, top, language) {
  let y = HEIGHT - BOTTOM;
  const pieces = SERIES.filter((name) => day[name]).map((name) => {
    const height = Math.max((day[name] / top) * PLOT, LEAST_HEIGHT);
    y -= height;
    const place = { x: (x + step * 0.15).toFixed(2), y: y.toFixed(2), width: (step * 0.7).toFixed(2) };
    return svg("rect", { class: name, ...place, height: height.toFixed(2) });
  });
  const numbers = SERIES.map((name) => `${language.say(name)} ${language.number(day[name])}`).join(", ");
  return svg("g", {}, svg("title", {}, `${language.day(day.date)}: ${numbers}`), ...pieces);
}

function gridLine(value, share, width, language) {
  const y = HEIGHT - BOTTOM - share * PLOT;
  return svg(
    "g",
    { class: "grid" },
    svg("line", { x1: LEFT, x2: width, y1: y, y2: y }),
    svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, language.shortNumber(value)),
  );
}

/** Return the labels of the newest day, and of every `daysBetweenLabels`-th day before it. */
function dayLabels(days, step, daysBetweenLabels, language) {
  return days
    .map(({ date }, index) => /** @type {[Date, number]} */ ([date, index]))
    .filter(([, index]) => (days.length - 1 - index) % daysBetweenLabels === 0)
    .map(([date, index]) => {
      const isLast = index === days.length - 1;
      const place = { x: LEFT + (index + (isLast ? 1 : 0.5)) * step, y: HEIGHT - 5 };
      return svg("text", { ...place, "text-anchor": isLast ? "end" : "middle" }, language.day(date));
    });
}

function legend(language) {
  return html("ul", { class: "numbers" }, ...SERIES.map((name) => html("li", { class: name }, language.say(name))));
}

function table(days, language) {
  const head = ["day", ...SERIES].map((name) => html("th", { scope: "col" }, language.say(name)));
  const rows = [...days].reverse().map((day) =>
    html(
      "tr",
      {},
      html("th", { scope: "row" }, language.day(day.date)),
      ...SERIES.map((name) => html("td", {}, language.number(day[name]))),
    ),
  );
  return html(
    "details",
    {},
    html("summary", {}, language.say("as_table")),
    html("table", { class: "small" }, html("thead", {}, html("tr", {}, ...head)), html("tbody", {}, ...rows)),
  );
}

/** @param {number} value @returns {number} the first of 10, 20, 50, 100, 200 ... that is not below `value` */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return Math.max(10, [1, 2, 5, 10].map((factor) => factor * power).find((round) => round >= value));
}
