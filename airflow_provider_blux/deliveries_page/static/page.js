/**
 * The page: a custom element, which requests data from Airflow's API and shows it.
 */
import { ApiError, forEach } from "./api.js";
import { chart } from "./chart.js";
import { DAYS, Deliveries, OVER } from "./deliveries.js";
import { fill, html } from "./elements.js";
import { History } from "./history.js";
import { Language } from "./language.js";
import { DeliveryTable } from "./table.js";

const ROWS = 25;
const MOST_RUNNING = 50;
// Maximum number of running deliveries whose progress is shown, because each needs a request.
const MOST_PROGRESS = 20;
const POLL_MS = 5_000;
const NARROW = matchMedia("(max-width: 40rem)");

/** The element `<blux-deliveries>`. Airflow's styles do not apply inside it, and its styles do not apply outside. */
export class DeliveriesPage extends HTMLElement {
  async connectedCallback() {
    const leaving = (this.leaving = new AbortController());
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    const style = html("link", { rel: "stylesheet", href: new URL("page.css", import.meta.url).href });
    const styled = new Promise((resolve) => ["load", "error"].forEach((end) => style.addEventListener(end, resolve)));
    root.replaceChildren(style);
    const [language, operators] = await Promise.all([
      Language.load(),
      fetch(new URL("operators.json", import.meta.url)).then((answer) => answer.json()),
      styled,
    ]);
    if (leaving.signal.aborted) {
      return;
    }
    this.language = language;
    this.deliveries = new Deliveries(operators, leaving.signal);
    this.history = new History(this.deliveries);
    this.offset = 0;
    this.rows = ROWS;
    /** @type {Set<string>} ids of the deliveries that ran at the last request */
    this.seenRunning = new Set();
    /** Whether the last deliveries, and the chart, have been shown completely since they were last requested. */
    this.lastIsShown = this.historyIsShown = false;
    root.append(this.layout());
    NARROW.addEventListener("change", () => this.historyIsShown && this.showHistory(), { signal: leaving.signal });
    await this.refresh();
    while (!leaving.signal.aborted) {
      await pause(POLL_MS, leaving.signal);
      if (!document.hidden) {
        await this.attempt(() => this.poll());
      }
    }
  }

  disconnectedCallback() {
    this.leaving?.abort();
  }

  layout() {
    const say = (name, values) => this.language.say(name, values);
    this.running = new DeliveryTable(this.language, "running");
    this.last = new DeliveryTable(this.language, "last");
    this.alert = html("div", { role: "alert" });
    this.status = html("p", { role: "status", class: "muted" }, say("loading"));
    this.runningNote = html("p", { class: "muted" });
    this.chartPlace = html("div", {}, html("p", { class: "muted" }, say("loading")));
    this.range = html("p", { class: "muted", "aria-live": "polite" }, say("loading"));
    const button = (name, act) => {
      const made = html("button", { type: "button" }, say(name));
      made.addEventListener("click", act);
      return made;
    };
    this.refreshButton = button("refresh", () => this.refresh());
    this.newer = button("newer", () => this.turn(-1));
    this.older = button("older", () => this.turn(1));
    this.readMore = button("read_more", () => this.attempt(() => this.readHistory()));
    this.readMore.hidden = true;
    this.pager = html("nav", { "aria-label": say("last") }, this.newer, this.older);
    for (const element of [this.running.element, this.last.element, this.pager]) {
      element.hidden = true;
    }
    this.sections = html(
      "div",
      {},
      section(say("running"), this.status, this.running.element, this.runningNote),
      section(say("history", { days: DAYS }), this.chartPlace, this.readMore),
      section(say("last"), this.range, this.last.element, this.pager),
    );
    return html(
      "div",
      { class: "page", lang: this.language.tag },
      html("header", {}, html("h1", {}, say("title")), this.refreshButton),
      this.alert,
      this.sections,
    );
  }

  /** Request the running deliveries and the last ones, and show them. */
  async refresh() {
    this.lastIsShown = false;
    await this.attempt(() => this.poll());
  }

  /** Request the running deliveries; the last ones if one has ended; and all that is not shown yet. */
  async poll() {
    const before = this.seenRunning;
    await this.showRunning();
    if (!this.lastIsShown || [...before].some((id) => !this.seenRunning.has(id))) {
      await this.showLast();
    }
    if (!this.historyIsShown && !this.readMore.disabled) {
      void this.attempt(() => this.readHistory()); // not awaited, because it takes longer
    }
  }

  async showRunning() {
    const { deliveries, total } = await this.deliveries.page({ states: ["running"], limit: MOST_RUNNING });
    const shown = deliveries.map((delivery) => ({ delivery, reading: /** @type {any} */ ({ missing: "none" }) }));
    await forEach(shown.slice(0, MOST_PROGRESS), async (row) => {
      row.reading = await this.deliveries.progress(row.delivery);
    });
    this.seenRunning = new Set(deliveries.map(({ id }) => id));
    this.running.show(shown);
    this.running.element.hidden = !shown.length;
    const { language } = this;
    fill(this.status, language.say(total ? "running_number" : "nothing_runs", { number: total }));
    const withoutProgress = shown.length > 0 && !(await this.deliveries.hasTaskState());
    fill(
      this.runningNote,
      total > shown.length && `${language.say("not_all_running", { shown: shown.length, total })} `,
      withoutProgress && language.say("no_progress_before"),
    );
  }

  async showLast() {
    this.lastIsShown = false;
    const wanted = this.offset;
    const { deliveries, passed, total } = await this.deliveries.page({ states: OVER, limit: ROWS, offset: wanted });
    if (wanted !== this.offset) {
      return;
    }
    if (passed < total) {
      this.rows = passed - wanted || ROWS; // Airflow's own limit may be lower
    }
    const shown = deliveries.map((delivery) => ({ delivery, reading: /** @type {any} */ (null) }));
    this.last.show(shown.map((row) => ({ ...row, reading: this.alreadyRead?.get(row.delivery.id) ?? null })));
    this.last.element.hidden = !shown.length;
    const { language } = this;
    const places = { first: wanted + 1, last: passed, total, days: DAYS };
    fill(this.range, language.say(total ? "last_range" : "last_empty", places));
    this.pager.hidden = passed >= total && wanted === 0;
    this.newer.disabled = wanted === 0;
    this.older.disabled = passed >= total;
    await forEach(shown, async (row) => {
      row.reading = await this.deliveries.reading(row.delivery);
    });
    if (wanted === this.offset) {
      this.alreadyRead = new Map(shown.map(({ delivery, reading }) => [delivery.id, reading]));
      this.last.show(shown);
      this.lastIsShown = true;
    }
    if (this.historyIsShown) {
      await this.history.addNew(deliveries);
      this.showHistory();
    }
  }

  /** @param {number} number of pages, negative for newer deliveries */
  async turn(pages) {
    this.offset = Math.max(0, this.offset + pages * this.rows);
    await this.attempt(() => this.showLast());
  }

  async readHistory() {
    this.readMore.disabled = true;
    try {
      await this.history.read(() => this.showHistory());
      this.historyIsShown = true;
    } finally {
      this.readMore.disabled = false;
    }
  }

  showHistory() {
    const { history, language } = this;
    const { counted, missing, total, oldest } = history;
    fill(
      this.chartPlace,
      history.hasUsers ? chart(history.days, language, NARROW.matches) : html("p", { class: "muted" }, language.say("history_empty", { days: DAYS })),
      history.hasMore &&
        oldest &&
        html("p", { class: "muted" },
          language.say("history_part", { read: counted.size, total, day: language.day(oldest) })),
      missing > 0 && html("p", { class: "muted" }, language.say("history_missing", { number: missing })),
    );
    this.readMore.hidden = !history.hasMore;
  }

  /**
   * Call `act`, which sends requests to the API; show an error of the API on the page.
   *
   * @param {() => Promise<unknown>} act
   */
  async attempt(act) {
    try {
      await act();
      fill(this.alert);
      this.sections.hidden = false;
    } catch (error) {
      if (this.leaving.signal.aborted) {
        return;
      }
      if (!(error instanceof ApiError)) {
        throw error;
      }
      this.showError(error.status);
    }
  }

  /** @param {number} status */
  showError(status) {
    const { language } = this;
    const name = [0, 401, 403].includes(status) ? `error_${status}` : "error_other";
    const message = html("p", {}, language.say(name, { status: String(status) }));
    const signIn = status === 401 && html("a", { href: document.baseURI }, language.say("sign_in"));
    fill(this.alert, message, signIn);
    this.sections.hidden = !this.lastIsShown; // until then the sections show only "Loading"
  }
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal ends the pause
 */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve(undefined)), { once: true });
  });
}

/**
 * @param {string} heading
 * @param {...Node} contents
 */
function section(heading, ...contents) {
  return html("section", { "aria-label": heading }, html("h2", {}, heading), ...contents);
}
