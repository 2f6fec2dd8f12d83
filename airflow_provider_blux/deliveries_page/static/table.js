/**
 * A table of deliveries, one row each. On a narrow screen each row is a card.
 */
import { fill, html } from "./elements.js";
import { outcomes, reasons } from "./outcomes.js";

const COLUMNS = ["delivery", "started", "operation", "outcomes", "speed", "time", "state", "links"];
// For a shorter delivery, the share of the rate limit is not shown: with few requests it means nothing.
const LEAST_SECONDS = 1;
// A running task stores its progress about every ten seconds; after this time without one, the page says so.
const SILENT_MS = 60_000;

/** The element of a row is reused while its delivery is shown, so that the row keeps the focus. */
export class DeliveryTable {
  /**
   * @param {import("./language.js").Language} language
   * @param {string} caption name of the text that is the label of the table
   */
  constructor(language, caption) {
    this.language = language;
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    this.body = html("tbody", { role: "rowgroup" });
    const heads = COLUMNS.map((name) => html("th", { scope: "col", role: "columnheader" }, language.say(name)));
    // Explicit roles, because a table whose CSS `display` is not that of a table loses its roles.
    this.element = html(
      "table",
      { role: "table", "aria-label": language.say(caption) },
      html("thead", { role: "rowgroup" }, html("tr", { role: "row" }, ...heads)),
      this.body,
    );
  }

  /**
   * Show these deliveries and no others.
   *
   * @param {{delivery: import("./deliveries.js").Delivery, reading: import("./deliveries.js").Reading | null}[]} shown
   *   `reading` is null until it has been read
   */
  show(shown) {
    const rows = shown.map(({ delivery, reading }) => {
      const row = this.rows.get(delivery.id) ?? html("tr", { role: "row" }, ...COLUMNS.map((name) => this.cell(name)));
      this.contents(delivery, reading).forEach((content, index) => fill(row.children[index], ...content));
      return /** @type {[string, HTMLElement]} */ ([delivery.id, row]);
    });
    this.rows = new Map(rows);
    const elements = rows.map(([, row]) => row);
    if (elements.length !== this.body.children.length || elements.some((row, at) => row !== this.body.children[at])) {
      this.body.replaceChildren(...elements);
    }
  }

  /** @param {string} name */
  cell(name) {
    return html("td", { role: "cell", class: name, "data-label": this.language.say(name) });
  }

  /** Return the contents of each cell of a row, in the order of the columns. */
  contents(delivery, reading) {
    const { language } = this;
    const isRunning = delivery.state === "running";
    const report = reading && "report" in reading ? reading.report : null;
    return [
      named(delivery, language),
      [html("time", { datetime: delivery.started.toISOString(), title: language.exactTime(delivery.started) },
        language.time(delivery.started))],
      [language.say(delivery.operation)],
      report
        ? [outcomes(report, language, isRunning), reasons(report, language)]
        : [html("p", { class: "muted" }, this.withoutReport(delivery, reading))],
      report ? this.speed(report) : [],
      this.time(delivery, report),
      [html("span", { class: `badge ${delivery.state}` }, language.say(`state_${delivery.state}`))],
      links(delivery, language),
    ];
  }

  withoutReport(delivery, reading) {
    const { language } = this;
    if (!reading) {
      return language.say("loading");
    }
    if (reading.missing === "forbidden") {
      return language.say("forbidden_report");
    }
    if (delivery.state === "running") {
      return language.say("running_since", { time: language.time(delivery.started) });
    }
    return language.say(delivery.state === "success" ? "no_report" : "no_report_failed");
  }

  /** @param {import("./deliveries.js").Report} report */
  speed(report) {
    const { language } = this;
    const lines = [html("p", {}, language.say("per_second", { number: Math.round(report.records_per_second) }))];
    if (report.rate_limit && report.seconds >= LEAST_SECONDS) {
      const share = language.percent(report.requests / report.seconds / report.rate_limit);
      const limit = report.rate_limit;
      lines.push(html("p", { class: "muted" }, language.say("of_limit", { share, limit })));
    }
    return lines;
  }

  time(delivery, report) {
    const { language } = this;
    if (delivery.state !== "running") {
      const seconds = delivery.ended ? (delivery.ended.getTime() - delivery.started.getTime()) / 1000 : null;
      return seconds === null ? [] : [language.say("took", { duration: language.duration(seconds) })];
    }
    if (!report) {
      return [];
    }
    const isSilent = report.at && Date.now() - Date.parse(report.at) > SILENT_MS;
    return [
      Number.isFinite(report.seconds_left) &&
        html("p", {}, language.say("time_left", { duration: language.duration(report.seconds_left) })),
      isSilent && html("p", { class: "muted" }, language.say("last_heard", { time: language.time(new Date(report.at)) })),
    ];
  }
}

/** Return the names of the DAG, the task and the part of a delivery. */
function named(delivery, language) {
  const run = `dags/${encodeURIComponent(delivery.dagId)}/runs/${encodeURIComponent(delivery.runId)}`;
  const part = delivery.part === null ? "" : ` · ${language.say("part", { part: delivery.part })}`;
  return [html("a", { href: pageUrl(run) }, delivery.dag), html("p", { class: "muted" }, `${delivery.task}${part}`)];
}

/** Return links to the log and the XCom of a delivery. */
function links(delivery, language) {
  const [dag, run, task] = [delivery.dagId, delivery.runId, delivery.taskId].map(encodeURIComponent);
  const mapped = delivery.mapIndex < 0 ? "" : `/mapped/${delivery.mapIndex}`;
  const instance = `dags/${dag}/runs/${run}/tasks/${task}${mapped}`;
  return [
    ["log", instance],
    ["xcom", `${instance}/xcom`],
  ].map(([name, path]) => {
    const link = language.say(name);
    const label = language.say("link_of", { link, dag: delivery.dag, task: delivery.task });
    return html("a", { href: pageUrl(path), "aria-label": label }, link);
  });
}

/** @param {string} path of one of Airflow's pages */
function pageUrl(path) {
  return new URL(path, document.baseURI).href;
}
