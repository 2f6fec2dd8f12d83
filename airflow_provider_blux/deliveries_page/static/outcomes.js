/**
 * The outcomes of a delivery: a coloured bar, the numbers of records, and the reasons of rejects.
 */
import { html, svg } from "./elements.js";

/** In the order of the bar; page.css has a class with a colour for each. */
export const OUTCOMES = ["delivered", "unchanged", "merged", "suppressed", "rejected", "unknown", "valid"];
// So that a few rejects among millions are visible.
const LEAST_SHARE = 0.01;

/**
 * @param {import("./deliveries.js").Report} report
 * @param {boolean} isRunning whether the delivery is running, so that some records are not read yet
 * @returns {[string, number][]} the outcomes that occurred, with their numbers
 */
export function parts(report, isRunning = false) {
  const counted = OUTCOMES.map((name) => /** @type {[string, number]} */ ([name, report[name] ?? 0]));
  const left = isRunning && report.total ? report.total - report.read : 0;
  return [...counted, /** @type {[string, number]} */ (["left", left])].filter(([, number]) => number > 0);
}

/**
 * @param {import("./deliveries.js").Report} report
 * @param {import("./language.js").Language} language
 * @param {boolean} isRunning
 * @returns {HTMLElement}
 */
export function outcomes(report, language, isRunning) {
  const found = parts(report, isRunning);
  if (!found.length) {
    return html("p", { class: "muted" }, language.say("nothing_read"));
  }
  const numbers = found.map(([name, number]) =>
    html("li", { class: name }, `${language.number(number)} ${language.say(name)}`),
  );
  const notes = ["absent", "resumed"]
    .filter((name) => report[name])
    .map((name) => html("p", { class: "muted" }, language.say(name, { number: report[name] })));
  return html("div", {}, bar(found), html("ul", { class: "numbers" }, ...numbers), ...notes);
}

/**
 * @param {[string, number][]} found
 * @returns {SVGElement} hidden from screen readers, which read the numbers below it
 */
function bar(found) {
  const whole = found.reduce((sum, [, number]) => sum + number, 0);
  const widths = found.map(([, number]) => Math.max(number / whole, LEAST_SHARE));
  const wide = widths.reduce((sum, width) => sum + width, 0);
  let x = 0;
  const pieces = found.map(([name], index) => {
    const width = (widths[index] / wide) * 100;
    const piece = svg("rect", { class: name, x: x.toFixed(3), y: 0, width: width.toFixed(3), height: 10 });
    x += width;
    return piece;
  });
  return svg(
    "svg",
    { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    ...pieces,
  );
}

/**
 * @param {import("./deliveries.js").Report} report
 * @param {import("./language.js").Language} language
 * @returns {HTMLElement | null} a closed `details` element; null if there are no reasons
 */
export function reasons(report, language) {
  if (!report.reasons?.length) {
    return null;
  }
  const lines = report.reasons.map(({ field, reason, number }) =>
    html("li", {}, language.say("reason", { field: field ?? language.say("whole_record"), reason, number })),
  );
  return html(
    "details",
    {},
    html("summary", {}, language.say("reasons", { number: report.reasons.length })),
    html("ul", {}, ...lines),
  );
}
